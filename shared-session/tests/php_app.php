<?php
// An application for tests that uses PHP's own session code. The path names what a page does to the session of its cookie.
// HANDLER is `user` for a plain session_set_save_handler, or `redis` for that of phpredis, which the ini settings set up.

class User
{
    public $name = 'kky';
    protected $roles = ['admin', 'editor'];
    private $secret = "\x00\xff";
    public ?User $friend = null;
}

enum Suit: string
{
    case Hearts = 'h';
    case Spades = 's';
}

if (getenv('HANDLER') === 'user') {
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int) getenv('REDIS_PORT'), 2.0);
    session_set_save_handler(
        fn($path, $name) => true,
        fn() => true,
        fn($id) => $redis->get("session:$id") ?: '',
        fn($id, $data) => $redis->setex("session:$id", 3600, $data),
        fn($id) => $redis->del("session:$id") !== false,
        fn($lifetime) => 0,
    );
}

/** Returns values that JSON cannot express, and some that it can. */
function php_values(): array
{
    $user = new User();
    $user->friend = new User();
    $shared = ['deep' => [1, 2.5, null]];
    return [
        'object' => $user,
        'twice' => [$user, $user],
        'enum' => Suit::Spades,
        'binary' => "\xff\xfe\x00\x80",
        'floats' => [0.1, 1.0, -0.0, 1e100, 1.5e-7, PHP_INT_MAX + 1.0, INF],
        'pair' => ['a' => &$shared, 'b' => &$shared],
        'keys' => [5 => 'five', '05' => 'string', -1 => 'minus'],
    ];
}

[$path, $argument] = explode('/', trim(rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)), '/') . '/') + ['', ''];
header('Content-Type: text/plain; charset=utf-8');
// a page that only reads does not write the record back
session_start(['read_and_close' => in_array($path, ['get', 'names', 'check'])]);
switch ($path) {
    case 'set':
        [$name, $value] = explode('=', $argument);
        $_SESSION[$name] = $value;
        break;
    case 'get':
        echo json_encode($_SESSION[$argument] ?? null);
        break;
    case 'names':
        $names = array_keys($_SESSION);
        sort($names);
        echo json_encode($names);
        break;
    case 'slow':
        // writes the fields that it read at the start, when it ends
        $_SESSION[$argument] = 1;
        usleep(700000);
        break;
    case 'look':
        // reads only, but lets PHP write the session when it ends, as PHP does by default
        usleep(300000);
        break;
    case 'regenerate':
        // what PHP's manual recommends at a sign-in
        session_regenerate_id(true);
        break;
    case 'reserved':
        $_SESSION['_session'] = json_decode($argument, true);
        break;
    case 'logout':
        session_destroy();
        break;
    case 'store':
        $_SESSION['ref1'] = 'shared';
        $_SESSION['ref2'] = &$_SESSION['ref1'];
        foreach (php_values() as $name => $value) {
            $_SESSION[$name] = $value;
        }
        break;
    case 'check':
        foreach (php_values() as $name => $value) {
            // === compares the identity of objects, serialize their contents
            if (serialize($_SESSION[$name] ?? null) !== serialize($value)) {
                exit("$name is different");
            }
        }
        if (!($_SESSION['object'] instanceof User) || $_SESSION['twice'][0] !== $_SESSION['twice'][1]) {
            exit('an object lost its class or identity');
        }
        if ($_SESSION['enum'] !== Suit::Spades || $_SESSION['floats'] !== php_values()['floats']) {
            exit('an enum or a float is different');
        }
        $_SESSION['ref1'] = 'changed';
        $_SESSION['pair']['a'] = 'changed';
        if ($_SESSION['ref2'] !== 'changed' || $_SESSION['pair']['b'] !== 'changed') {
            exit('a reference is lost');
        }
        echo 'equal';
        break;
}
