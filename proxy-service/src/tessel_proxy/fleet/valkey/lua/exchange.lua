-- ARGV: member, ms to live, budget of the sweep, notices kept, seconds they are kept, devices kept,
--       number of accounts, number of accounts that devices have left; for each of the latter its name,
--       how many have left, and their names; for each account its name and demand; then account, device
--       and notice DeviceMoved of each device that has arrived
-- Returns the epoch, and a line with the totals for each account.
local now, member, count, lines = now_ms(), ARGV[1], tonumber(ARGV[7]), {}
touch(member, now, tonumber(ARGV[2]))
sweep(now, tonumber(ARGV[3]))
local at = 9
for _ = 1, tonumber(ARGV[8]) do
  local last = at + 1 + tonumber(ARGV[at + 1])
  depart(member, ARGV[at], {unpack(ARGV, at + 2, last)})
  at = last + 1
end
local names = {}
for i = 1, count do
  names[i] = ARGV[at]
  lines[i] = table.concat(put(member, ARGV[at], ARGV[at + 1]), ' ')
  at = at + 2
end
if at > #ARGV then return epoch() .. '\n' .. table.concat(lines, '\n') end
for i = at, #ARGV, 3 do
  arrive(member, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[4], ARGV[5], tonumber(ARGV[6]))
end
for i = 1, count do  -- a device that moved took its place along
  lines[i] = table.concat(totals(names[i], member), ' ')
end
return epoch() .. '\n' .. table.concat(lines, '\n')
