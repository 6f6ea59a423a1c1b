-- The tokens of a request turned out to be more or fewer than were taken.
-- KEYS: speed. ARGV: tokens a minute, more tokens than taken (may be negative).
local tokens = redis.call('HGET', KEYS[1], 'tokens')
if tokens then
  local after = tonumber(tokens) + math.min(tonumber(ARGV[2]) * 60000000 / tonumber(ARGV[1]), 3600000000)
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.0f', after))
end
return 1
