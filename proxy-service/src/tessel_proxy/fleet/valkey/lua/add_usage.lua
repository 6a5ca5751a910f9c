-- ARGV: host, number of the call, seconds to keep that number, seconds to keep a day;
--       then day, account, and five numbers of each row
-- A call that is repeated, because its answer was lost, counts once.
local seen = 'tessel:usage-calls:' .. ARGV[1]
if tonumber(redis.call('GET', seen) or '0') >= tonumber(ARGV[2]) then return '1' end
for i = 5, #ARGV, 7 do
  local key, account = 'tessel:usage:' .. ARGV[i], ARGV[i + 1]
  local five = numbers(redis.call('HGET', key, account))
  for j = 1, 5 do five[j] = five[j] + tonumber(ARGV[i + 1 + j]) end
  redis.call('HSET', key, account, packed(five))
  redis.call('EXPIRE', key, ARGV[4])
end
redis.call('SET', seen, ARGV[2], 'EX', ARGV[3])
return '1'
