-- ARGV: member, then account and device of each tunnel that it has: entries that the engine has lost.
for i = 2, #ARGV, 2 do
  if redis.call('EXISTS', 'tessel:account:' .. ARGV[i]) == 1 then
    redis.call('HSETNX', 'tessel:devices:' .. ARGV[i], ARGV[i + 1], ARGV[1])
  end
end
return '1'
