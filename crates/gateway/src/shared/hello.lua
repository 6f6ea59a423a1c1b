-- How many milliseconds to wait before the database may be asked: when it has lost what it knew, until every replica that
-- lives has told anew what it knows.
-- KEYS: born. ARGV: milliseconds that this replica grants the others (0: it is new itself, found the database at once, and misses nothing).
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now + tonumber(ARGV[1])), 'NX')
return math.max(0, tonumber(redis.call('GET', KEYS[1])) - now)
