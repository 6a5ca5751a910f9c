-- ARGV: account, device. Returns the member with the device's newest tunnel; '' if none is known.
return redis.call('HGET', 'tessel:devices:' .. ARGV[1], ARGV[2]) or ''
