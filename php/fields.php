<?php
// The session as PHP has just read it, as a page.
require __DIR__ . '/read_session.php';
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
<tr><th scope="row"><code><?= htmlspecialchars($name) ?></code></th><td><code><?= htmlspecialchars(as_json($value)) ?></code></td></tr>
<?php endforeach ?>
</tbody>
</table>
<?php endif ?>
</main>
<footer><a href="/user/">Shared session</a> <span>This page is from PHP.</span></footer>
</body>
</html>
