-- Returns the names of the members of a room, in the order in which they came.
-- KEYS: when each place expires, the connection that has each place.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local here = {}
for _, lower in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%d', now), '+inf')) do
    local holder = redis.call('HGET', KEYS[2], lower)
    if holder then
        local came, name = string.match(holder, '^.-\n.-\n(.-)\n(.*)$')
        here[#here + 1] = { came = tonumber(came), name = name }
    end
end
table.sort(here, function(a, b)
    return a.came < b.came or (a.came == b.came and a.name < b.name)
end)
local names = {}
for n, one in ipairs(here) do names[n] = one.name end
return names
