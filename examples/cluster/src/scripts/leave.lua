-- Gives up a place in a room, unless another connection has it now.
-- KEYS: when each place expires, the connection that has each place, the moves of the room.
-- ARGV: the name in lower case, the connection.
local holder = redis.call('HGET', KEYS[2], ARGV[1])
if not holder or string.match(holder, '^(.-)\n') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'by', ARGV[2])
redis.call('PEXPIRE', KEYS[3], 60000)
return 1
