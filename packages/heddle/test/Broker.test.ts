import { brokerLaws } from "@heddle/testkit/laws"
import { Broker } from "heddle/messaging"

brokerLaws("memory", Broker.layerMemory, { groups: true, backpressure: true })
