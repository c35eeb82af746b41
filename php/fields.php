<?php
// The session as PHP has just read it, as a page. It only reads, as card.php does.
if (isset($_COOKIE[session_name()])) {
    require __DIR__ . '/session.php';
    session_abort();
}
header('Cache-Control: no-store');
$session = $_SESSION ?? [];
unset($session['_session']); // what the other services store about the session
ksort($session, SORT_STRING);
$json = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE;
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The session in PHP · shared session</title>
<link rel="icon" href="/user/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/user/style.css">
</head>
<body>
<main>
<h1>The session in PHP</h1>
<?php if ($session === []): ?>
<p>No session yet. PHP shares the session if the services have <code>SESSION_FORMAT=php</code>.</p>
<?php else: ?>
<table>
<thead><tr><th scope="col">Field</th><th scope="col">Value</th></tr></thead>
<tbody>
<?php foreach ($session as $name => $value): ?>
<tr><th scope="row"><code><?= htmlspecialchars($name) ?></code></th><td><code><?= htmlspecialchars(json_encode($value, $json)) ?></code></td></tr>
<?php endforeach ?>
</tbody>
</table>
<?php endif ?>
</main>
<footer><a href="/user/">Shared session</a> <span>This page is from PHP.</span></footer>
</body>
</html>
