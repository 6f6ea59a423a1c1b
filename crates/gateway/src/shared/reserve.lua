-- Takes what one request needs from all who pay for it, or nothing.
-- ARGV: name of the replica, tokens, requests (1, or 0 for more money only); then for each payer: requests a minute,
-- tokens a minute (0: no bound), budget (-1: none), worst case, what is known to be spent, seconds to keep the purse.
-- KEYS: for each payer its speed and its purse. A purse holds s:REPLICA (settled by it) and r:REPLICA (reserved by it).
-- The time is the server's own, microseconds. Money is in units of 1e-12 dollars.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local me, tokens, requests = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local MINUTE = 60000000

local function purse(key)
  local fields, spent, reserved, holding = redis.call('HGETALL', key), 0, 0, {}
  for at = 1, #fields, 2 do
    local kind, replica, amount = fields[at]:sub(1, 1), fields[at]:sub(3), tonumber(fields[at + 1])
    if kind == 's' then spent = spent + amount else
      reserved = reserved + amount
      holding[#holding + 1] = replica
    end
  end
  return spent, reserved, holding
end

local function fill(empty_at, per_minute, count)
  local after = math.max(empty_at, now) + count * MINUTE / per_minute
  return after, after - now - MINUTE
end

local plan, answer = {}, {1}
for payer = 1, #KEYS / 2 do
  local speed, money, at = KEYS[2 * payer - 1], KEYS[2 * payer], 3 + (payer - 1) * 6
  local rpm, tpm, limit = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local worst, known, keep = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), ARGV[at + 6]
  local step = {speed = speed, money = money, worst = ARGV[at + 4], keep = keep, budget = limit >= 0}
  local state = redis.call('HMGET', speed, 'requests', 'tokens')
  if requests > 0 and rpm > 0 then
    local after, over = fill(tonumber(state[1] or '0'), rpm, requests)
    if over > 0 then return {0, payer, 'requests', math.ceil(over / 1000)} end
    step.requests = after
  end
  if requests > 0 and tpm > 0 then
    local after, over = fill(tonumber(state[2] or '0'), tpm, tokens)
    if tokens > tpm then return {0, payer, 'tokens', -1} end
    if over > 0 then return {0, payer, 'tokens', math.ceil(over / 1000)} end
    step.tokens = after
  end
  local spent, reserved = 0, 0
  if limit >= 0 then
    local holding
    spent, reserved, holding = purse(money)
    if math.max(spent, known) + reserved + worst > limit then
      -- What replicas that are gone had reserved goes back.
      for _, replica in ipairs(holding) do
        if redis.call('EXISTS', ARGV[#ARGV] .. replica) == 0 then redis.call('HDEL', money, 'r:' .. replica) end
      end
      spent, reserved = purse(money)
    end
    spent = math.max(spent, known)
    if spent + reserved + worst > limit then
      return {0, payer, 'money', string.format('%.0f', spent), string.format('%.0f', reserved)}
    end
  end
  plan[#plan + 1] = step
  local function left(after, per_minute)
    if not after then return -1 end
    return math.floor((MINUTE - (after - now)) * per_minute / MINUTE)
  end
  local function reset(after) return after and math.ceil((after - now) / 1000) or 0 end
  answer[#answer + 1] = string.format('%.0f', spent)
  answer[#answer + 1] = left(step.requests, rpm)
  answer[#answer + 1] = reset(step.requests)
  answer[#answer + 1] = left(step.tokens, tpm)
  answer[#answer + 1] = reset(step.tokens)
end
for _, step in ipairs(plan) do
  if step.requests then redis.call('HSET', step.speed, 'requests', string.format('%.0f', step.requests)) end
  if step.tokens then redis.call('HSET', step.speed, 'tokens', string.format('%.0f', step.tokens)) end
  if step.requests or step.tokens then redis.call('PEXPIRE', step.speed, 3700000) end
  if step.budget then
    redis.call('HINCRBY', step.money, 'r:' .. me, step.worst)
    redis.call('EXPIRE', step.money, step.keep)
  end
end
return answer
