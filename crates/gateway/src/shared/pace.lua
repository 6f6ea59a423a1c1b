-- Tells how many requests of one payer a replica has in work, and what tokens turned out to be more or fewer than taken.
-- KEYS: pace. ARGV: this replica, requests in work there (-1: not counted), tokens a minute, more tokens than were taken.
if tonumber(ARGV[2]) >= 0 then redis.call('HSET', KEYS[1], 'a:' .. ARGV[1], ARGV[2]) end
local tokens = redis.call('HGET', KEYS[1], 'tokens')
if tokens and tonumber(ARGV[3]) > 0 then
  -- An hour of debt is enough, as everywhere.
  local more = math.min(tonumber(ARGV[4]) * 60000000 / tonumber(ARGV[3]), 3600000000)
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.0f', tonumber(tokens) + more))
end
redis.call('PEXPIRE', KEYS[1], 90000000)
return 1
