<?php
// The card of this program: a picture of the session as PHP has just read it. Each program of the site draws its own.
require __DIR__ . '/read_session.php';
header('Content-Type: image/svg+xml');

/** Returns the start of a text that fits into this many columns, without what cannot be seen, as XML. */
function cut(string $text, int $columns): string
{
    $shown = [];
    $width = 0;
    foreach (preg_split('//u', $text, -1, PREG_SPLIT_NO_EMPTY) ?: [] as $character) {
        $width += $character >= "\u{1100}" ? 2 : 1;
        if ($width > $columns) {
            array_splice($shown, -1, 1, '…');
            break;
        }
        $shown[] = preg_match('/\p{C}/u', $character) ? "\u{fffd}" : $character;
    }
    return htmlspecialchars(implode($shown), ENT_QUOTES | ENT_XML1);
}

/** Returns the id of the program that writes notes with this name. */
function writer(string $name): string
{
    return preg_match('/^(user|task|python|node|php)\./', $name, $match) ? $match[1] : '';
}

$names = array_map(strval(...), array_keys($session));
$notes = array_filter($names, fn($name) => writer($name) !== '');
$names = [...$notes, ...array_diff($names, $notes)];
$shown = count($names) > 12 ? 11 : count($names);
$more = count($names) - $shown;
$height = 140 + 24 * (max($shown, 1) + ($more > 0 ? 1 : 0));
?>
<svg xmlns="http://www.w3.org/2000/svg" width="270" height="<?= $height ?>" viewBox="0 0 270 <?= $height ?>">
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
<title>The session, as PHP reads it</title>
<rect class="ground" width="100%" height="100%"/>
<rect class="php" width="100%" height="68"/>
<text class="title" x="14" y="31">PHP</text>
<text class="language" x="14" y="53">PHP, php-fpm</text>
<text class="soft" x="14" y="91">process <?= getmypid() ?> on <?= cut(gethostname(), 16) ?></text>
<?php foreach (array_slice($names, 0, $shown) as $index => $name): ?>
<text class="<?= writer($name) ?>" x="14" y="<?= 120 + 24 * $index ?>"><?= cut($name, 14) ?></text><text x="128" y="<?= 120 + 24 * $index ?>"><?= cut(as_json($session[$name]), 16) ?></text>
<?php endforeach ?>
<?php if ($shown === 0): ?>
<text class="none" x="14" y="122">no session</text>
<?php endif ?>
<?php if ($more > 0): ?>
<text class="soft" x="14" y="<?= $height - 44 ?>">and <?= $more ?> more</text>
<?php endif ?>
<text class="soft" x="14" y="<?= $height - 14 ?>">read at <?= gmdate('H:i:s') ?> UTC</text>
</svg>
