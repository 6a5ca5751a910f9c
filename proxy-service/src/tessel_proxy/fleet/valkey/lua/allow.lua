-- ARGV: id of a rule, notice, its id, notices kept, seconds they are kept
-- Returns the epoch.
redis.call('HDEL', RULES, ARGV[1])
redis.call('ZREM', RULES_END, ARGV[1])
rules_changed()
notify('tessel:notices', ARGV[2], ARGV[4], ARGV[5], ARGV[3])
return epoch()
