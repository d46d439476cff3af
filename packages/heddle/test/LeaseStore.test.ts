import { leaseStoreLaws } from "@heddle/testkit/laws"
import { LeaseStore } from "heddle/coordination"

leaseStoreLaws("memory", LeaseStore.layerMemory)
