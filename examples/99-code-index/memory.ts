import { LeaseStore } from "heddle/coordination"
import { Broker, JobStore } from "heddle/messaging"

export const leases = () => LeaseStore.layerMemory
export const jobs = () => JobStore.layerMemory
export const topics = () => Broker.layerMemory
