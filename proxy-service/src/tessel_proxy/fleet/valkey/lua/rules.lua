-- ARGV: the version of the rules that the caller has
-- Returns epoch, version, and 1 if the version is another one; then a line follows for each rule.
end_rules()
local version = epoch() .. ':' .. (redis.call('HGET', FLEET, 'rules') or '0')
local is_new = version ~= ARGV[1]
local lines = {epoch() .. ' ' .. version .. ' ' .. (is_new and '1' or '0')}
if is_new then
  for _, text in ipairs(redis.call('HVALS', RULES)) do lines[#lines + 1] = text end
end
return table.concat(lines, '\n')
