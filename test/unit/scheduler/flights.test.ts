import { expect, test } from "vitest";
import { flightRequest } from "../../../src/shared/scheduler/flights.ts";
import { request } from "./support.ts";

test("the chains of a prompt's tokens are not kept while it is in flight", () => {
	const words = new Uint32Array(16_384);
	const asked = request({ prefix: new Uint32Array(2_048), tokenChains: { salted: words, plain: words.slice() } });
	expect(flightRequest(asked)).not.toHaveProperty("tokenChains");
	expect(flightRequest(asked)).toMatchObject({ reservation: asked.reservation, tenant: "t", promptBytes: 4_000 });
	const plain = request();
	expect(flightRequest(plain)).toBe(plain);
});
