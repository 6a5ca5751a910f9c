-- ARGV: id of a notice, seconds to keep the confirmation, then the members that have acted
for i = 3, #ARGV do redis.call('SADD', 'tessel:confirmed:' .. ARGV[1], ARGV[i]) end
redis.call('EXPIRE', 'tessel:confirmed:' .. ARGV[1], ARGV[2])
return '1'
