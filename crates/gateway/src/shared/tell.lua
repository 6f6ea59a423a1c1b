-- Tells how one replica stands with purses and paces, in sums that only grow: telling twice, or late, changes nothing.
-- ARGV: this replica, its session; then for each key, of a purse: 'purse', settled by the replica, given back in the session,
-- seconds to keep it, spent before there was a purse; of a pace: 'pace', places given back in the session, the
-- microseconds in which the tokens flow out that were used beyond those taken, and those of the requests that were taken and never
-- came (both told once, as what is left of a minute is no sum), and a 0.
local function grow(key, field, amount)
  if tonumber(redis.call('HGET', key, field) or '0') < amount then redis.call('HSET', key, field, string.format('%.0f', amount)) end
end

-- No more is given back than is known to be taken: the database may have thrown that away.
local function give(key, taken, back, amount)
  grow(key, back .. ARGV[2], math.min(amount, tonumber(redis.call('HGET', key, taken .. ARGV[2]) or '0')))
end

for number, key in ipairs(KEYS) do
  local at = 3 + (number - 1) * 5
  local first, second, third = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if ARGV[at] == 'purse' then
    redis.call('HSETNX', key, 'base', ARGV[at + 4])
    grow(key, 's:' .. ARGV[1], first)
    give(key, 'r:', 'd:', second)
    redis.call('EXPIRE', key, third)
  else
    give(key, 'a:', 'b:', first)
    local tokens = redis.call('HGET', key, 'tokens')
    if tokens and second ~= 0 then
      -- An hour of debt is enough, as everywhere.
      local more = math.min(second, 3600000000)
      redis.call('HSET', key, 'tokens', string.format('%.0f', tonumber(tokens) + more))
    end
    local requests = redis.call('HGET', key, 'requests')
    if requests and third > 0 then
      redis.call('HSET', key, 'requests', string.format('%.0f', tonumber(requests) - third))
    end
    redis.call('PEXPIRE', key, 90000000)
  end
end
return 1
