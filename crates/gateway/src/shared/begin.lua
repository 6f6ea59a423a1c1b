-- Begins a session of one replica with one purse or pace: what is open there, and what replicas are known to have settled.
-- KEYS: purse or pace. ARGV: the session before, this one, what the names of what is taken and of what is given back begin with,
-- open in this session, milliseconds to keep it all, spent before there was a purse (empty: a pace); then for each replica that is
-- known its name and what it has settled.
local before, session, taken, back = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if ARGV[7] ~= '' then redis.call('HSETNX', KEYS[1], 'base', ARGV[7]) end
redis.call('HDEL', KEYS[1], taken .. before, back .. before, back .. session)
redis.call('HSET', KEYS[1], taken .. session, ARGV[5])
for at = 8, #ARGV, 2 do
  local field = 's:' .. ARGV[at]
  if tonumber(redis.call('HGET', KEYS[1], field) or '-1') < tonumber(ARGV[at + 1]) then
    redis.call('HSET', KEYS[1], field, ARGV[at + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
