<?php
// Reads the session for the pages that only show it, into $session. It begins no session, and does not extend one.
if (isset($_COOKIE[session_name()])) {
    require __DIR__ . '/session.php';
    session_abort();
}
header('Cache-Control: no-store');
$session = $_SESSION ?? [];
unset($session['_session']); // what the other services store about the session
ksort($session, SORT_STRING);

/** Returns a value of the session as JSON. */
function as_json(mixed $value): string
{
    $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE;
    return json_encode($value, $flags);
}
