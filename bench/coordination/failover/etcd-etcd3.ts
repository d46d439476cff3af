/** etcd3's election. */
import { Etcd3 } from "etcd3"
import { type Sit, ttl } from "../../harness/Seat.ts"

export const sit: Sit = (url, seat) => new Etcd3({ hosts: url }).election(seat, ttl).campaign("here").wait()
