-- ARGV: rules at most; then id, rule and end (as in refuse) of rules that the engine has lost.
for i = 2, #ARGV, 3 do
  if redis.call('HEXISTS', RULES, ARGV[i]) == 0 and redis.call('HLEN', RULES) < tonumber(ARGV[1]) then
    set_rule(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  end
end
rules_changed()
end_rules()
return '1'
