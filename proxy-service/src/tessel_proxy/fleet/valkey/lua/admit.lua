-- ARGV: member, ms to live, account, device ('' if it has no name), own tunnels, limit, budget of the
--       sweep, notice DeviceMoved, notices kept, seconds they are kept, devices kept; then the names of
--       devices that have left
-- Returns 1 if the tunnel may open, else 0; the epoch; then the totals.
local now, member, account, device = now_ms(), ARGV[1], ARGV[3], ARGV[4]
touch(member, now, tonumber(ARGV[2]))
sweep(now, tonumber(ARGV[7]))
depart(member, account, {unpack(ARGV, 12)})
local own, limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local values = put_tunnels(member, account, own)
local older = device ~= '' and older_holder(member, account, device)
local granted = tonumber(values[1]) - (older and 1 or 0) < limit
if granted then
  put_tunnels(member, account, own + 1)
  if device ~= '' then
    arrive(member, account, device, ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]))
  end
  values = totals(account, member)
end
return (granted and '1 ' or '0 ') .. epoch() .. ' ' .. table.concat(values, ' ')
