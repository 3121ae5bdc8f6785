-- Takes a place in a room, unless another session has the name there.
-- KEYS: when each place expires, the connection that has each place, the moves of the room.
-- ARGV: how many milliseconds the place lasts, the most places;
--       the name in lower case, the connection, its session, the name.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    redis.call('ZREM', KEYS[1], gone)
    redis.call('HDEL', KEYS[2], gone)
end
local came = now
local holder = redis.call('HGET', KEYS[2], ARGV[3])
if holder then
    local _, session, since = string.match(holder, '^(.-)\n(.-)\n(.-)\n')
    if session ~= ARGV[5] then return 'taken' end
    came = since
elseif redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
    return 'full'
end
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[3], table.concat({ ARGV[4], ARGV[5], came, ARGV[6] }, '\n'))
-- When no node uses the room any more, its keys expire.
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 2)
redis.call('PEXPIRE', KEYS[2], ARGV[1] * 2)
redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'by', ARGV[4])
redis.call('PEXPIRE', KEYS[3], 60000)
return 'in'
