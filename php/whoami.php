<?php
// A program that knows nothing of sessions. The proxy says in one header who is signed in, and removes it from what clients send.
header('Cache-Control: no-store');
$name = rawurldecode($_SERVER['HTTP_X_SESSION_NAME'] ?? '');
if ($name === '') {
    http_response_code(401);
    exit('The proxy did not say who is signed in.');
}
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who am I?</title>
<link rel="stylesheet" href="/user/style.css">
<main>
<h1>Hello, <?= htmlspecialchars($name) ?>!</h1>
<p>This page has no library and no session. nginx asked user-service who is signed in. <a href="/user/">Account</a></p>
</main>
</html>
