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
local stamp = number(micros)
local fresh, granted, tail, tailTtl = {}, "G" .. stamp, nil, nil

local function quick(code, key, id, at)
  if code == MUTEX then
    local ttl = args[at]
    if ttl ~= tailTtl then tail, tailTtl = pack(micros, default, "", now, now + ttl), ttl end
    if call("SET", key, "\\193" .. id .. "\\0" .. tail, "NX", "PX", ttl + 1) then
      fresh[key] = true
      if listened then changed[key] = true end
      return granted
    end
    local raw = call("GET", key)
    local kind = string.byte(raw)
    if (kind ~= 193 and kind ~= 194) or args[at + 2] == 1 then return end
    local cut = string.find(raw, "\\0", 2, true)
    local token, owner, value, since, till, tokens, kept = unpack(sub(raw, cut + 1))
    if till <= now or sub(raw, 2, cut - 1) == id then return end
    if args[at + 1] == 0 then return "B" end
    local q, w, last = key .. ":q", key .. ":w", now + patience
    local longer = not kept or kept < last
    if longer then
      -- What a line left behind whose resource was deleted by hand.
      if not kept then call("DEL", q, w) end
      kept = last + patience
      local blob = pack(token, owner, value, since, till, tokens or 1, kept)
      call("SET", key, "\\194" .. sub(raw, 2, cut) .. blob, "PX", left(math.max(till, kept)))
    end
    if call("RPUSH", q, id) == 1 then
      call("DEL", w)
      longer = true
    end
    call("HSET", w, id, pack(default, "", 1, session, now, last, 1, ttl, patience))
    if longer then
      call("PEXPIRE", q, left(kept))
      call("PEXPIRE", w, left(kept))
    end
    if listened then changed[key] = true end
    local last = token + (tokens or 1)
    return "Q" .. millis(till - now) .. " " .. (last > micros and number(last) or stamp)
  elseif code == RELEASE or code == RENEW then
    local raw = call("GET", key)
    if not raw or sub(raw, 2, #id + 2) ~= id .. "\\0" then return end
    local kind = string.byte(raw)
    if code == RELEASE and kind == 193 and not fresh[key] and args[at] == 0 then
      call("DEL", key)
      if listened then changed[key] = true end
      return "D"
    elseif kind ~= 193 and kind ~= 194 then
      return
    end
    local token, owner, value, since, till, tokens, kept = unpack(sub(raw, #id + 3))
    if till <= now then return end
    if code == RENEW then
      till = now + args[at]
      local blob = pack(token, owner, value, since, till, tokens, kept)
      call("SET", key, sub(raw, 1, #id + 2) .. blob, "PX", left(math.max(till, kept or 0)))
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
          ttl = math.min(ttl, patience)
          local blob = pack(micros, owner, value, now, now + ttl, tokens, kept)
          call("SET", key, "\\194" .. next .. "\\0" .. blob, "PX", left(math.max(now + ttl, kept)))
          tell(to, next, micros, ttl)
          return "D"
        end
      end
    end
  end
end
`
