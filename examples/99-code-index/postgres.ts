import { PostgresBroker, PostgresJobStore, PostgresLeaseStore } from "@heddle/postgres"

export const leases = (url: string) => PostgresLeaseStore.layer({ url })
export const jobs = (url: string) => PostgresJobStore.layer({ url })
export const topics = (url: string) => PostgresBroker.layer({ url })
