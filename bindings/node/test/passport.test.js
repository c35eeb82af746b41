// An application in the style of tutorials: Passport, connect-flash, a cart. Two lines differ from express-session.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, beforeEach, test } = require('node:test');
const express = require('express');
const flash = require('connect-flash');
const passport = require('passport');
const { Strategy } = require('passport-local');
const session = require('shared-session/express');
const { Redis } = require('./help/redis.js');
const { Browser, listen } = require('./help/browser.js');

let redis, server, browser;
const gates = {};

function application() {
  const users = [{ id: 7, username: 'anna', password: 'secret' }];
  passport.use(
    new Strategy((username, password, done) => {
      const user = users.find((user) => user.username === username && user.password === password);
      done(null, user ?? false, { message: 'Incorrect username or password.' });
    }),
  );
  passport.serializeUser((user, done) => process.nextTick(() => done(null, { id: user.id, username: user.username })));
  passport.deserializeUser((user, done) => process.nextTick(() => done(null, user)));

  const app = express();
  app.use(express.urlencoded({ extended: false }));
  app.use(session({ store: redis.url, principalField: 'user' }));
  app.use(passport.authenticate('session'));
  app.use(flash());
  app.get('/', (req, res) => res.json({ user: req.user?.username, cart: req.session.cart, errors: req.flash('error') }));
  app.post('/cart', (req, res) => {
    req.session.cart = req.session.cart || [];
    req.session.cart.push(req.body.item);
    res.redirect('/');
  });
  app.get('/slow', async (req, res) => {
    req.session.seen = true;
    await new Promise((open) => {
      gates.open = open;
      gates.arrived();
    });
    res.send('slow');
  });
  app.post(
    '/login/password',
    passport.authenticate('local', { failureRedirect: '/', failureFlash: true, keepSessionInfo: true }),
    (req, res) => {
      req.session.user = req.user.id; // the registry finds a user's sessions by it
      res.redirect('/');
    },
  );
  app.post('/logout', (req, res, next) => {
    req.logout((error) => {
      if (error) {
        return next(error);
      }
      res.redirect('/');
    });
  });
  return app;
}

before(async () => {
  redis = await Redis.start();
  server = http.createServer(application());
  browser = new Browser(await listen(server));
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});
beforeEach(() => {
  browser.cookie = undefined;
});

const form = (fields) => ({ body: new URLSearchParams(fields), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
const page = async () => JSON.parse((await browser.get('/')).content);
const logIn = (password) => browser.post('/login/password', form({ username: 'anna', password }));

test('Passport signs in and out', async () => {
  await browser.post('/cart', form({ item: 'pear' }));
  const anonymous = browser.cookie;
  assert.equal((await logIn('secret')).status, 302);
  assert.notEqual(browser.cookie, anonymous);
  assert.deepEqual(await page(), { user: 'anna', cart: ['pear'], errors: [] });
  const signedIn = browser.cookie;
  browser.cookie = anonymous;
  assert.deepEqual(await page(), { errors: [] }, 'the id before the sign-in opens nothing');

  browser.cookie = signedIn;
  assert.equal((await browser.post('/logout')).status, 302);
  assert.deepEqual(await page(), { errors: [] });
  browser.cookie = signedIn;
  assert.deepEqual(await page(), { errors: [] });
});

test('connect-flash shows a message once', async () => {
  await logIn('wrong');
  assert.deepEqual((await page()).errors, ['Incorrect username or password.']);
  assert.deepEqual((await page()).errors, []);
});

test('a request in flight does not bring back what Passport ended', async () => {
  assert.equal((await logIn('secret')).status, 302);
  const arrived = new Promise((wake) => (gates.arrived = wake));
  const slow = browser.get('/slow');
  await arrived;
  const { cookie } = browser;
  await browser.post('/logout');
  gates.open();
  assert.equal((await slow).status, 409);
  browser.cookie = cookie;
  assert.deepEqual(await page(), { errors: [] });
});
