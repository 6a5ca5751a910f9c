-- ARGV: member, budget of the sweep. Returns 1 if counts of dead members are left, else 0.
-- The caller may have left before: then nothing is done for it.
if redis.call('ZSCORE', MEMBERS, ARGV[1]) then redis.call('ZADD', MEMBERS, '0', ARGV[1]) end
redis.call('DEL', 'tessel:inbox:' .. ARGV[1])
return sweep(now_ms(), tonumber(ARGV[2])) and '1' or '0'
