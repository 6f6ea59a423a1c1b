-- Tells how one replica stands with one purse, in sums that only grow or are its own: telling twice changes nothing.
-- KEYS: purse. ARGV: this replica, reserved by it, seconds to keep the purse, spent before there was a purse; then for each
-- replica that is known its name and what it has settled.
redis.call('HSETNX', KEYS[1], 'base', ARGV[4])
redis.call('HSET', KEYS[1], 'r:' .. ARGV[1], ARGV[2])
for at = 5, #ARGV, 2 do
  local field = 's:' .. ARGV[at]
  if tonumber(redis.call('HGET', KEYS[1], field) or '-1') < tonumber(ARGV[at + 1]) then
    redis.call('HSET', KEYS[1], field, ARGV[at + 1])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
