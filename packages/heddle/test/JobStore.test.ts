import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import { JobStore } from "heddle/messaging"

jobStoreLaws("memory", JobStore.layerMemory, allJobAbilities)
