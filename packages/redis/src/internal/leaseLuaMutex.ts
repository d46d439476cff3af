/**
 * The part of the lease script for a mutex in its usual course: taken and given back while free, waited for while held, and
 * handed to the next in line. Straight lines, because they are run for each hand-over; they answer nil for all that is
 * not usual, before they change anything, and the rest of the script does it.
 *
 * A mutex that is held, and remembers no withdrawn ids, has a blob of its own: a byte, the holder's id, a zero, and packed
 * values. Byte 193: nobody has stood in its line, and its token is in the past, so that it can be deleted unread, unless the
 * id must be remembered in case its lease has ended. Byte 194: it may have a line, kept up to `kept`, and the holder has
 * `tokens` of them.
 */
export const leaseLuaMutex = `
local stamp = format("%.0f", micros)
local fresh, tail, tailTtl = {}, nil, nil
-- What was handed over last, and to whom: whoever asks for it next in the same call need not read it.
local passed

local function quick(code, key, id, at)
  local call, format, sub, ceil = redis.call, string.format, string.sub, math.ceil
  local pack, unpack = cmsgpack.pack, cmsgpack.unpack
  if code == 6 then
    local ttl, holder, token, owner, value, since, till, tokens, kept = args[at]
    if passed and passed[1] == key then
      holder, owner, value, till, tokens, kept = spread(passed, 2)
      token, since = micros, now
    else
      if ttl ~= tailTtl then tail, tailTtl = pack(micros, default, "", now, now + ttl), ttl end
      if call("SET", key, "\\193" .. id .. "\\0" .. tail, "NX", "PX", ttl + 1) then
        fresh[key] = true
        if listened then changed[key] = true end
        return "G" .. stamp
      end
      local raw = call("GET", key)
      local kind = string.byte(raw)
      if kind ~= 193 and kind ~= 194 then return end
      local cut = string.find(raw, "\\0", 2, true)
      holder = sub(raw, 2, cut - 1)
      token, owner, value, since, till, tokens, kept = unpack(sub(raw, cut + 1))
    end
    if args[at + 2] == 1 or till <= now or holder == id then return end
    if args[at + 1] == 0 then return "B" end
    local q, w, last = key .. ":q", key .. ":w", now + patience
    local longer = not kept or kept < last
    if longer then
      -- What a line left behind whose resource was deleted by hand.
      if not kept then
        call("DEL", q)
        call("DEL", w)
      end
      kept = last + patience
      local blob = pack(token, owner, value, since, till, tokens or 1, kept)
      call("SET", key, "\\194" .. holder .. "\\0" .. blob, "PX", ceil((till > kept and till or kept) - now) + 1)
      if passed and passed[1] == key then passed[7] = kept end
    end
    if call("RPUSH", q, id) == 1 then
      call("DEL", w)
      longer = true
    end
    call("HSET", w, id, pack(default, "", 1, session, now, last, 1, ttl, patience))
    if longer then
      local left = ceil(kept - now) + 1
      call("PEXPIRE", q, left)
      call("PEXPIRE", w, left)
    end
    if listened then changed[key] = true end
    local floor = token + (tokens or 1)
    return "Q" .. format("%.3f", till - now) .. " " .. (floor > micros and format("%.0f", floor) or stamp)
  elseif code == 3 or code == 2 then
    if passed and passed[1] == key then passed = nil end
    local raw = call("GET", key)
    if not raw or sub(raw, 2, #id + 2) ~= id .. "\\0" then return end
    local kind = string.byte(raw)
    if code == 3 and kind == 193 and not fresh[key] and args[at] == 0 then
      call("DEL", key)
      if listened then changed[key] = true end
      return "D"
    elseif kind ~= 193 and kind ~= 194 then
      return
    end
    local token, owner, value, since, till, tokens, kept = unpack(sub(raw, #id + 3))
    if till <= now then return end
    if code == 2 then
      till = now + args[at]
      local blob = pack(token, owner, value, since, till, tokens, kept)
      call("SET", key, sub(raw, 1, #id + 2) .. blob, "PX", ceil((kept and kept > till and kept or till) - now) + 1)
      return "D"
    end
    if kind == 193 or token + tokens > micros then return end
    local q, w = key .. ":q", key .. ":w"
    if listened then changed[key] = true end
    while true do
      local next = call("LPOP", q)
      if not next then
        call("DEL", key)
        return "D"
      end
      local record = call("HGET", w, next)
      if record then
        call("HDEL", w, next)
        local owner, value, _, to, _, alive, tokens, ttl, patience = unpack(record)
        if alive > now then
          if patience < ttl then ttl = patience end
          local till = now + ttl
          local blob = pack(micros, owner, value, now, till, tokens, kept)
          call("SET", key, "\\194" .. next .. "\\0" .. blob, "PX", ceil((till > kept and till or kept) - now) + 1)
          passed = { key, next, owner, value, till, tokens, kept }
          local grant = next .. " " .. stamp .. " " .. format("%.3f", ttl)
          if to == session then mine[#mine + 1] = grant
          elseif others[to] then others[to][#others[to] + 1] = grant
          else others[to] = { grant } end
          return "D"
        end
      end
    end
  end
end
`
