// The pages as HTML, in the site's layout. user-service serves the stylesheet and the icon.
'use strict';

const LONGEST_NOTE = 100;
const LONGEST_VALUE = 120;
const TITLES = { 403: 'Request refused', 404: 'Page not found', 409: 'Your change was not saved', 503: 'Not available at the moment' };

class Html {
  constructor(text) {
    this.text = text;
  }
}

/** Returns HTML with all values escaped that are no HTML. */
const html = (strings, ...values) => new Html(String.raw({ raw: strings }, ...values.map(rendered)));

function rendered(value) {
  if (Array.isArray(value)) {
    return value.map(rendered).join('');
  }
  return value instanceof Html ? value.text : String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt()};`);
}

/** Returns a field as text. It is empty if the session does not have the field. */
function text(session, name) {
  const value = session[name] ?? '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Returns whether a user is signed in. The lecture's user has no account. */
function isSignedIn({ account }) {
  return typeof account === 'string' && account !== '';
}

const BRAND = html`<a class="brand" href="/user/"><img src="/user/icon.svg" alt="" width="28" height="28">Shared session</a>`;

const user = (session) => html`<form method="post" action="/user/logout">
<span>Signed in as <strong>${text(session, 'username')}</strong></span>
<button class="plain">Sign out</button>
</form>`;

const header = (session) => html`<a class="skip" href="#main">Skip to content</a>
<header>
<div class="bar">
${BRAND}
${isSignedIn(session) ? user(session) : ''}
</div>
<nav aria-label="Pages">
<ul>
<li><a href="/user/">Account</a></li>
<li><a href="/task/">Tasks</a></li>
<li><a href="/python/">Python</a></li>
<li><a href="/node/" aria-current="page">Node.js</a></li>
</ul>
</nav>
</header>`;

const layout = (title, top, main, lang = 'en') => html`<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/user/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/user/style.css">
</head>
<body>
${top}
<main id="main">
${main}
</main>
<footer lang="en"><a href="/user/">Shared session</a> <span>This page is from Node.js.</span></footer>
</body>
</html>
`.text;

/** Returns the start of a long text. */
function shortened(value) {
  const characters = [...value];
  return characters.length > LONGEST_VALUE ? `${characters.slice(0, LONGEST_VALUE).join('')}…` : value;
}

const NO_SESSION = html`<p><span class="badge">No session yet</span></p>
<p>The server stores nothing about you, and this page sets no cookie.</p>`;

const table = (names, session) => html`<table>
<thead><tr><th scope="col">Field</th><th scope="col">Value</th></tr></thead>
<tbody>
${names.map((name) => html`<tr><th scope="row"><code>${name}</code></th><td><code>${shortened(JSON.stringify(session[name]))}</code></td></tr>
`)}</tbody>
</table>
<p class="hint">The session’s id is a secret of your browser, in a cookie. No page shows it.</p>`;

function index(session, note = text(session, 'note'), error = undefined) {
  const names = Object.keys(session).sort();
  const input = html`<input id="note" name="note" type="text" value="${note}" maxlength="${LONGEST_NOTE}" autocomplete="off"`;
  const main = html`<h1>The session in Node.js</h1>
<p>An Express application serves this page. It shares nothing with the other services but your session.</p>
<form class="add" method="post" action="/node/">
<p class="field">
<label for="note">Note</label>
${input}${error ? html` aria-invalid="true" autofocus aria-describedby="note-error">
<span class="error" id="note-error">${error}</span>` : html`>`}
</p>
<button>Save</button>
</form>
<section class="card session" aria-labelledby="session">
<h2 id="session">Your session, as Node.js sees it</h2>
${names.length > 0 ? table(names, session) : NO_SESSION}
</section>
<p>See the same session in <a href="/user/#session">user-service</a>, in <a href="/task/#session">task-service</a> and in <a href="/python/#session">Python</a>.</p>
<h2>The lecture</h2>
<p>The two pages of the lecture are here too:</p>
<ol>
<li><a href="/node/redis_session_set">Set the session in Node.js</a></li>
<li><a href="/python/redis_session_get">Show the session in Python</a></li>
</ol>`;
  return layout('The session in Node.js · shared session', header(session), main);
}

const lecture = (session, title, to, link) => layout(title, '', html`<h1>${title}</h1>
<p>
사용자 이름 : ${text(session, 'username')}<br>
사용자 아이디 : ${text(session, 'userid')}<br>
</p>
<p><a href="${to}">${link}</a></p>`, 'ko');

const lectureGet = (session) => lecture(session, '세션 조회', '/python/redis_session_set', '다른 서비스에서 세션 저장');
const lectureSet = (session) => lecture(session, '세션 저장', '/python/redis_session_get', '다른 서비스에서 세션 조회');

const lectureForm = (session) => layout('Set the lecture’s session · shared session', header(session), html`<h1>Set the lecture’s session</h1>
<p>This page of the lecture stores the user <strong>홍길동</strong> in your session, without a password.
${isSignedIn(session) ? 'You will be signed out.' : ''}</p>
<form method="post" action="/node/redis_session_set">
<button>Set the session</button>
</form>
<p class="aside"><a href="/node/">Leave my session as it is</a></p>`);

function error(status, message) {
  const title = TITLES[status] ?? (status >= 500 ? 'Something went wrong' : 'Invalid request');
  return layout(title, header({}), html`<p class="status">${status}</p>
<h1>${title}</h1>
<p>${message}</p>
<p><a class="button" href="/node/">Go to Node.js</a></p>`);
}

module.exports = { LONGEST_NOTE, index, lectureGet, lectureSet, lectureForm, error, isSignedIn };
