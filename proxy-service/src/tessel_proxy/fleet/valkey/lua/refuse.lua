-- ARGV: id of a rule, the rule, ms since 1970 when it ends (0: never), rules at most,
--       notice, its id, notices kept, seconds they are kept
-- Returns the epoch; or 0, if there are too many rules.
end_rules()
if redis.call('HEXISTS', RULES, ARGV[1]) == 0 and redis.call('HLEN', RULES) >= tonumber(ARGV[4]) then
  return '0'
end
set_rule(ARGV[1], ARGV[2], ARGV[3])
rules_changed()
notify('tessel:notices', ARGV[5], ARGV[7], ARGV[8], ARGV[6])
return epoch()
