-- Renews the places of connections in a room. Returns the connections that have lost theirs, in
-- pairs: the connection, and 'replaced' if its own session has the place now, otherwise 'taken'.
-- KEYS: when each place expires, the connection that has each place.
-- ARGV: how many milliseconds the places last; for each connection its name in lower case,
--       the connection, its session, the name.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = {}
for n = 2, #ARGV, 4 do
    local lower, connection, session, name = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3]
    local holder = redis.call('HGET', KEYS[2], lower)
    local ends = tonumber(redis.call('ZSCORE', KEYS[1], lower) or 0)
    -- A place that has expired, or was lost with the memory of Redis, can be taken again.
    if not holder or (ends <= now and string.match(holder, '^(.-)\n') ~= connection) then
        redis.call('HSET', KEYS[2], lower, table.concat({ connection, session, now, name }, '\n'))
        holder = connection .. '\n' .. session .. '\n'
    end
    local by, by_session = string.match(holder, '^(.-)\n(.-)\n')
    if by == connection then
        redis.call('ZADD', KEYS[1], now + ARGV[1], lower)
    else
        lost[#lost + 1] = connection
        lost[#lost + 1] = by_session == session and 'replaced' or 'taken'
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 2)
redis.call('PEXPIRE', KEYS[2], ARGV[1] * 2)
return lost
