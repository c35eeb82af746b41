// The pages at /node/: an Express application in the session that the programs of the site share.
'use strict';
require('./logs.js');
const express = require('express');
const { SessionError, SessionManager } = require('shared-session');
const session = require('shared-session/express');
const { card } = require('./card.js');
const pages = require('./pages.js');

const LECTURE_USER = { username: '홍길동', userid: 'kky' };
/** Returns whether this value of Sec-Fetch-Site says that the request came from this site, or from no page. */
const isOwn = (site) => site === 'same-origin' || site === 'none';

const sessions = new SessionManager();
const app = express().disable('x-powered-by').disable('etag');
// else nginx would not know the lecture's page that writes, and not limit it
app.enable('strict routing').enable('case sensitive routing');

app.get('/healthz', (_, res) => res.type('text').send('ok\n'));

// Refuses a change that a page of another site sent, as the other services do.
app.use((req, res, next) => {
  const { 'sec-fetch-site': site, 'x-forwarded-proto': scheme = 'http', origin = '', host = '' } = req.headers;
  const isSameOrigin = origin.toLowerCase() === `${scheme}://${host}`.toLowerCase();
  const isFromHere = site === undefined ? isSameOrigin : isOwn(site);
  res.set('Cache-Control', 'no-store');
  if (isFromHere || ['GET', 'HEAD', 'OPTIONS'].includes(req.method)) {
    next();
  } else {
    sendError(res, 403, 'This form was sent from another site, so nothing was changed. Use the form on this site.');
  }
});
app.use(session(sessions, { onError: fail }));
app.use(express.urlencoded({ extended: false }));

app.get('/node/', (req, res) => res.send(pages.index(req.session)));

app.post('/node/', (req, res) => {
  const note = String(req.body?.note ?? '').trim();
  if ([...note].length > pages.LONGEST_NOTE) {
    res.status(422).send(pages.index(req.session, note, `Enter at most ${pages.LONGEST_NOTE} characters.`));
    return;
  }
  if (note) {
    req.session.note = note;
  } else {
    delete req.session.note;
  }
  res.redirect(303, '/node/#session');
});

app.get('/node/session.svg', (req, res) => res.type('svg').send(card(req.session)));

// Writes a field of the visitor's choice, under the name of this program, and leads back to the first page.
app.post('/node/note', (req, res) => {
  const [name, value] = ['name', 'value'].map((key) => String(req.body?.[key] ?? '').trim());
  const field = `node.${name}`;
  if (!/^[a-z0-9_-]{1,12}$/.test(name)) {
    sendError(res, 422, 'A name has 1 to 12 characters: a to z, 0 to 9, - and _.');
  } else if ([...value].length > 40 || /[\p{C}\p{Zl}\p{Zp}]/u.test(value)) {
    sendError(res, 422, 'A value has at most 40 characters, all of them visible.');
  } else if (!value) {
    delete req.session[field];
    res.redirect(303, '/user/');
  } else if (!(field in req.session) && Object.keys(req.session).filter((key) => key.startsWith('node.')).length >= 8) {
    sendError(res, 422, 'This program keeps at most 8 fields of yours. Send one of them without a value, which removes it.');
  } else {
    req.session[field] = value;
    res.redirect(303, '/user/');
  }
});

app.get('/node/redis_session_get', (req, res) => res.send(pages.lectureGet(req.session)));

async function setLectureUser(req, res) {
  if (pages.isSignedIn(req.session)) {
    await req.session.regenerate();
  }
  Object.assign(req.session, LECTURE_USER);
  res.send(pages.lectureSet(req.session));
}

// Sets the lecture's user, or asks first if a link on another site led here or if this would sign a user out.
app.get('/node/redis_session_set', (req, res) => {
  const asks = !isOwn(req.get('sec-fetch-site') ?? 'none') || pages.isSignedIn(req.session);
  return asks ? res.send(pages.lectureForm(req.session)) : setLectureUser(req, res);
});
app.post('/node/redis_session_set', setLectureUser);

app.use((_, res) => sendError(res, 404, 'The address may be mistyped, or the page was removed.'));
app.use((error, req, res, _next) => fail(error, req, res));

function fail(error, req, res) {
  if (error instanceof SessionError) {
    const { status, headers, body } = error.response(req.headers.accept);
    res.status(status).set(headers);
    const isHtml = headers['content-type'].startsWith('text/html');
    res.send(isHtml ? pages.error(status, error.userMessage) : body);
  } else if (error.status >= 400 && error.status < 500) {
    sendError(res, error.status, 'The data that you sent is invalid.');
  } else {
    console.error(error);
    sendError(res, 500, 'Something went wrong here, and it is not your fault.');
  }
}

function sendError(res, status, message) {
  res.status(status).set('Cache-Control', 'no-store').type('html').send(pages.error(status, message));
}

const [host, port] = (process.env.BIND ?? '127.0.0.1:8080').split(':');
const server = app.listen(Number(port), host);
process.once('SIGTERM', () => server.close(() => sessions.drain()));
