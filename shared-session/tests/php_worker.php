<?php
// The PHP process of php_real.rs. It reads one command per line and replies with one line. Arguments are hexadecimal.
//
//   code <handler> <record>                decodes and encodes a record
//   unset <handler> <record> <field>       decodes a record, removes a field, and encodes the record
//   json <handler> <object>                encodes a session with the members of a JSON object
//   make <handler> <seed>                  encodes a session with random values of all types of PHP
//
// The reply is "ok <record>", or "no" if PHP refuses.

error_reporting(0);
ini_set('memory_limit', '-1');

enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }
enum Unit { case One; }
class ParentClass { private $hidden = 'parent'; protected $shared = [1]; public $open; }
class ChildClass extends ParentClass { private $hidden = 'child'; public ?ChildClass $next = null; public $any; }
class WithUnserialize {
    public $data;
    function __serialize(): array { return ['data' => $this->data, 7 => 'seven']; }
    function __unserialize(array $from): void { $this->data = $from['data']; }
}
class CustomFormat implements Serializable {
    public $data;
    function serialize() { return serialize($this->data); }
    function unserialize($from) { $this->data = unserialize($from); }
}
class NullHandler implements SessionHandlerInterface {
    function open(string $path, string $name): bool { return true; }
    function close(): bool { return true; }
    function read(string $id): string|false { return ''; }
    function write(string $id, string $data): bool { return true; }
    function destroy(string $id): bool { return true; }
    function gc(int $max): int|false { return 0; }
}

function random_object(array &$made, int $depth, bool $custom): object {
    if ($made && mt_rand(0, 2) == 0) {
        return $made[array_rand($made)];
    }
    switch (mt_rand(0, $custom ? 6 : 5)) {
        case 0: $object = new stdClass; $object->{'0'} = 1; $object->name = random_value($made, $depth + 1, $custom); break;
        case 1: $object = new ChildClass; $object->any = random_value($made, $depth + 1, $custom); $object->open = $object; break;
        case 2: $object = new WithUnserialize; $object->data = random_value($made, $depth + 1, $custom); break;
        case 3: $object = new ArrayObject([1, random_value($made, $depth + 1, $custom)]); break;
        case 4: return [Suit::Hearts, Suit::Spades, Unit::One][mt_rand(0, 2)];
        case 5: $object = new DateTime('@' . mt_rand()); break;
        case 6: $object = new CustomFormat; $object->data = random_value($made, $depth + 1, $custom); break;
    }
    $made[] = $object;
    return $object;
}

function random_value(array &$made, int $depth, bool $custom): mixed {
    switch (mt_rand(0, $depth > 4 ? 7 : 11)) {
        case 0: return null;
        case 1: return mt_rand(0, 1) == 1;
        case 2: return mt_rand(-1000, 1000);
        case 3: return [PHP_INT_MAX, PHP_INT_MIN, 0][mt_rand(0, 2)];
        case 4: return [1.5, 10.0, 1e25, 1e-7, 0.1, -0.0, INF, NAN, mt_rand() / 7][mt_rand(0, 8)];
        case 5: return ['', 'kky', '홍길동', 'a|b|i:1;', '};"', "\0"][mt_rand(0, 5)];
        case 6: return random_bytes_string();
        case 7: return [Suit::Hearts, Unit::One][mt_rand(0, 1)];
        case 8: return array_map(fn() => random_value($made, $depth + 1, $custom), array_fill(0, mt_rand(0, 4), 0));
        case 9:
            $array = [];
            for ($i = mt_rand(0, 4); $i > 0; $i--) {
                $array[['a', 'b', 5, '08', '', -3, "\xff"][mt_rand(0, 6)]] = random_value($made, $depth + 1, $custom);
            }
            return $array;
        case 10:
            $array = ['x' => random_value($made, $depth + 1, $custom)];
            $array['y'] = &$array['x'];
            if (mt_rand(0, 3) == 0) {
                $array['self'] = &$array;
            }
            return $array;
        default: return random_object($made, $depth, $custom);
    }
}

function random_bytes_string(): string {
    return implode('', array_map(fn() => chr(mt_rand(0, 255)), range(1, mt_rand(1, 20))));
}

/** Fills the session with random fields, some of which are references to other fields or to values in them. */
function fill_session(int $seed): void {
    mt_srand($seed);
    $made = [];
    $custom = $seed % 4 == 0;
    for ($i = mt_rand(1, 8); $i > 0; $i--) {
        $name = 'f' . $i;
        $earlier = array_keys($_SESSION);
        switch ($earlier ? mt_rand(0, 5) : 0) {
            case 1: $_SESSION[$name] = &$_SESSION[$earlier[array_rand($earlier)]]; break;
            case 2:
                $from = $earlier[array_rand($earlier)];
                if (is_array($_SESSION[$from]) && $_SESSION[$from]) {
                    $_SESSION[$name] = &$_SESSION[$from][array_key_first($_SESSION[$from])];
                    break;
                }
            default: $_SESSION[$name] = random_value($made, 0, $custom);
        }
    }
}

function run(string $command, string $handler, array $arguments): string|false {
    if (session_status() == PHP_SESSION_ACTIVE) {
        session_abort();
    }
    ini_set('session.serialize_handler', $handler);
    session_start();
    $_SESSION = [];
    switch ($command) {
        case 'code':
        case 'unset':
            if (!session_decode($arguments[0])) {
                return false;
            }
            if ($command == 'unset') {
                unset($_SESSION[$arguments[1]]);
            }
            break;
        case 'json':
            foreach (json_decode($arguments[0], true, 512, JSON_THROW_ON_ERROR) as $name => $value) {
                $_SESSION[$name] = $value;
            }
            break;
        case 'make':
            fill_session((int) $arguments[0]);
            break;
    }
    $record = session_encode();
    // PHP encodes a session without fields as false
    return $record === false && $_SESSION === [] ? '' : (string) $record;
}

session_set_save_handler(new NullHandler);
while (($line = fgets(STDIN)) !== false) {
    $words = explode(' ', rtrim($line, "\n"));
    try {
        $record = run($words[0], $words[1], array_map('hex2bin', array_slice($words, 2)));
    } catch (Throwable) {
        $record = false;
    }
    fwrite(STDOUT, $record === false ? "no\n" : 'ok ' . bin2hex($record) . "\n");
}
