-- ARGV: id of a notice, seconds to keep the confirmation, a member that has acted
redis.call('SADD', 'tessel:confirmed:' .. ARGV[1], ARGV[3])
redis.call('EXPIRE', 'tessel:confirmed:' .. ARGV[1], ARGV[2])
return '1'
