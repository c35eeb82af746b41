<?php
// Writes a field of the visitor's choice, under the name of this program, and leads back to the first page.

/** Ends the request with a message. */
function refuse(int $status, string $message): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    header('Cache-Control: no-store');
    exit("$message\n");
}

// a page of another site can send neither header with these values
$site = $_SERVER['HTTP_SEC_FETCH_SITE'] ?? null;
$origin = strtolower($_SERVER['HTTP_ORIGIN'] ?? '');
$own = strtolower($_SERVER['SITE_ORIGIN']); // nginx knows it
if ($site !== null ? !in_array($site, ['same-origin', 'none'], true) : $origin !== $own) {
    refuse(403, 'This form was sent from another site, so nothing was changed. Use the form on this site.');
}
$texts = array_map(fn($key) => is_string($_POST[$key] ?? null) ? trim($_POST[$key]) : '', ['name', 'value']);
[$name, $value] = $texts;
if (!preg_match('/^[a-z0-9_-]{1,12}$/D', $name)) {
    refuse(422, 'A name has 1 to 12 characters: a to z, 0 to 9, - and _.');
}
if (!preg_match('/^[^\p{C}\p{Zl}\p{Zp}]{0,40}$/Du', $value)) {
    refuse(422, 'A value has at most 40 characters, all of them visible.');
}
require __DIR__ . '/session.php';
$field = "php.$name";
if ($value === '') {
    unset($_SESSION[$field]);
} elseif (!isset($_SESSION[$field]) && count(preg_grep('/^php\./', array_keys($_SESSION))) >= 8) {
    session_abort();
    refuse(422, 'This program keeps at most 8 fields of yours. Send one of them without a value, which removes it.');
} else {
    $_SESSION[$field] = $value;
}
header('Location: /user/', true, 303);
