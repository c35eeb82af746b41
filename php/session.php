<?php
// A common session handler for PHP and Redis: GET, SETEX and DEL. It does not know the other services; they use its format with
// SESSION_FORMAT=php.

$redis = null;

function redis(): Redis
{
    global $redis;
    if ($redis === null) {
        $redis = new Redis();
        $redis->connect(getenv('REDIS_HOST') ?: 'redis', (int) (getenv('REDIS_PORT') ?: 6379), 1.0);
        $file = getenv('REDIS_PASSWORD_FILE');
        if ($file) {
            $redis->auth([getenv('REDIS_USER') ?: 'default', rtrim(file_get_contents($file), "\r\n")]);
        }
    }
    return $redis;
}

session_set_save_handler(
    fn($path, $name) => true,
    fn() => true,
    fn($id) => redis()->get("session:$id") ?: '',
    fn($id, $data) => redis()->setex("session:$id", 3600, $data),
    fn($id) => redis()->del("session:$id") !== false,
    fn($lifetime) => 0,
);
session_start();
