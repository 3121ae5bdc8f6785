-- Adds a line to a room, once for each key, and returns its number. A key that comes again gets the
-- same number.
-- KEYS: the lines of the room, the key of the message.
-- ARGV: how many lines to keep, how many seconds to keep them, how many seconds to keep the key;
--       name, text, key.
local said = redis.call('GET', KEYS[2])
if said then return said end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
    'name', ARGV[4], 'text', ARGV[5], 'key', ARGV[6])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], id, 'EX', ARGV[3])
return id
