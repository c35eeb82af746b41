// The card of this program: a picture of the session as it has just read it. Each program of the site draws its own.
'use strict';
const { hostname } = require('node:os');

const PROGRAMS = ['user', 'task', 'python', 'node', 'php'];
const MOST_FIELDS = 12;

const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt()};`);

/** Returns the start of a text that fits into this many columns, without what cannot be seen, as XML. */
function cut(text, columns) {
  let [shown, width] = [[], 0];
  for (const character of text) {
    width += character >= '\u1100' ? 2 : 1;
    if (width > columns) {
      shown[shown.length - 1] = '…';
      break;
    }
    shown.push(/\p{C}/u.test(character) ? '\ufffd' : character);
  }
  return escaped(shown.join(''));
}

/** Returns the id of the program that writes notes with this name. */
function writer(name) {
  const [prefix, ...rest] = name.split('.');
  return rest.length > 0 && PROGRAMS.includes(prefix) ? prefix : '';
}

function card(session) {
  const names = Object.keys(session).sort();
  const ordered = [...names.filter(writer), ...names.filter((name) => !writer(name))];
  const shown = ordered.length > MOST_FIELDS ? MOST_FIELDS - 1 : ordered.length;
  const more = ordered.length - shown;
  const height = 140 + 24 * (Math.max(shown, 1) + (more > 0 ? 1 : 0));
  const rows = ordered.slice(0, shown).map((name, index) => {
    const [y, value] = [120 + 24 * index, cut(JSON.stringify(session[name]), 16)];
    return `<text class="${writer(name)}" x="14" y="${y}">${cut(name, 14)}</text><text x="128" y="${y}">${value}</text>\n`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="270" height="${height}" viewBox="0 0 270 ${height}">
<style>
svg { --ground: #fff; --on: #fff; --text: #1b212b; --soft: #505b6b; --user: #1650c4; --task: #a63d0f; --python: #7a5c00; --node: #1e6b34; --php: #6d3bc1 }
@media (prefers-color-scheme: dark) {
svg { --ground: #1d222a; --on: #10141a; --text: #e7eaef; --soft: #aab4c2; --user: #8cb4ff; --task: #ffab85; --python: #f2cf5b; --node: #8fe0a2; --php: #c9adff }
}
text { font: 13px ui-monospace, monospace; fill: var(--text) }
.ground { fill: var(--ground) }
.title { font: 700 21px system-ui, sans-serif; fill: var(--on) }
.language { font: 14px system-ui, sans-serif; fill: var(--on) }
.soft { font: 13px system-ui, sans-serif; fill: var(--soft) }
.none { font: 600 19px system-ui, sans-serif; fill: var(--soft) }
.user { fill: var(--user) } .task { fill: var(--task) } .python { fill: var(--python) } .node { fill: var(--node) } .php { fill: var(--php) }
</style>
<title>The session, as Node.js reads it</title>
<rect class="ground" width="100%" height="100%"/>
<rect class="node" width="100%" height="68"/>
<text class="title" x="14" y="31">Node.js</text>
<text class="language" x="14" y="53">JavaScript, Express</text>
<text class="soft" x="14" y="91">process ${process.pid} on ${cut(hostname(), 16)}</text>
${rows.join('') || '<text class="none" x="14" y="122">no session</text>'}
${more > 0 ? `<text class="soft" x="14" y="${height - 44}">and ${more} more</text>` : ''}
<text class="soft" x="14" y="${height - 14}">read at ${new Date().toISOString().slice(11, 19)} UTC</text>
</svg>
`;
}

module.exports = { card };
