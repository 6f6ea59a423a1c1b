-- A request has ended: what it reserved goes back, what this replica has settled in all stands in its place.
-- KEYS: purse. ARGV: name of the replica, reserved, settled by it in this window so far, seconds to keep the purse.
local mine = 'r:' .. ARGV[1]
if redis.call('HINCRBY', KEYS[1], mine, '-' .. ARGV[2]) < 0 then redis.call('HSET', KEYS[1], mine, 0) end
-- The larger one: messages may overtake each other, and one may come twice.
local settled = 's:' .. ARGV[1]
if tonumber(redis.call('HGET', KEYS[1], settled) or '-1') < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], settled, ARGV[3])
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
