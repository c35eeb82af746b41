//! The Lua scripts. Each is one command, and Redis carries it out whole or not at all: a refusal meets its first write.
//!
//! A session is a hash at its key. The field with the empty name marks that it exists, because Redis deletes an empty hash.
//! Renewal leaves a note beside the old key for 30 s, so that a request in flight, or one that is repeated, finds the session.

/// What every script begins with.
pub const COMMON: &str = "
local function extend(key) redis.pcall('EXPIRE', key, 3600) end

-- Returns the key that the session has now, and whether a sign-in gave it.
local function follow(key)
    local signed_in = false
    while redis.call('EXISTS', key) == 0 do
        local note = redis.call('HMGET', key .. ':superseded', 'by', 'signed_in')
        if not note[1] then return nil end
        key, signed_in = note[1], signed_in or note[2] == 'yes'
    end
    return key, signed_in
end
";

/// Returns the first session that is live, as its place in KEYS and the fields in ARGV, and extends it. That fails on a Redis
/// that refuses writes; the read does not.
pub const READ: &str = "
for place, key in ipairs(KEYS) do
    local values = redis.call('HMGET', key, '', unpack(ARGV))
    if values[1] then
        extend(key)
        values[1] = place
        return values
    end
end
return {}
";

/// What a change begins with: finds the session if it is live.
pub const LIVE: &str = "
local key = follow(KEYS[1])
if not key then return 0 end
";
/// The same for a new session.
pub const NEW: &str = "
local key = KEYS[1]
redis.call('HSET', key, '', '')
extend(key)
";
/// The four operations.
pub const SET: &str = "redis.call('HSET', key, ARGV[1], ARGV[2]) return 1";
pub const REMOVE: &str = "redis.call('HDEL', key, ARGV[1]) return 1";
pub const COUNT: &str = "redis.call('HINCRBY', key, 'n', 1) return 1";
pub const ADD: &str = "
local list = redis.call('HGET', key, 'items')
redis.call('HSET', key, 'items', list and list:sub(1, -2) .. ',' .. ARGV[1] .. ']' or '[' .. ARGV[1] .. ']')
return 1
";

/// Gives a session the new key KEYS[1], or begins one there. ARGV[1] is the user who signs in, or empty.
///
/// A request with a superseded id takes over the renewed session, because the reply to an earlier one may be lost. Whoever only
/// knows the id from before a sign-in may not; a sign-in may, as the same user.
pub const RENEW: &str = "
local new, user, old = KEYS[1], ARGV[1], nil
for place = 2, #KEYS do
    if not old and redis.call('EXISTS', KEYS[place]) == 1 then old = KEYS[place] end
end
for place = 2, #KEYS do
    local key, signed_in = nil, nil
    if not old then key, signed_in = follow(KEYS[place]) end
    if key and (user == '' and not signed_in or user ~= '' and redis.call('HGET', key, 'user') == user) then old = key end
end
if old then
    redis.call('RENAME', old, new)
    redis.call('HSET', old .. ':superseded', 'by', new, 'signed_in', user ~= '' and 'yes' or 'no')
    redis.call('EXPIRE', old .. ':superseded', 30)
end
redis.call('HSET', new, '', '')
if user ~= '' then redis.call('HSET', new, 'user', user) end
extend(new)
";

/// Ends every session, also under a newer key.
pub const END: &str = "
for _, key in ipairs(KEYS) do
    key = follow(key)
    if key then redis.call('DEL', key) end
end
";

/// What a change begins with for faults: the session may be renewed or ended meanwhile, must not be renewed, or is emptied.
pub const LIVE_OR_ENDED: &str = "
local key = follow(KEYS[1]) or KEYS[1]
";
pub const NOT_RENEWED: &str = "
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then return 0 end
";
pub const EMPTIED: &str = "
local key = follow(KEYS[1])
if not key then return 0 end
redis.call('HSET', key, '', '') -- which a full Redis refuses
redis.call('DEL', key)
";
/// Writes many fields.
pub const SET_ALL: &str = "redis.call('HSET', key, unpack(ARGV)) extend(key) return 1";
