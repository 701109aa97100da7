import { describe, expect, test } from "vitest";
import { decodePayload } from "../../../src/shared/kv/events/decode-batch.ts";
import type { BlocksStored, EventBatch } from "../../../src/shared/kv/events/event.ts";
import { idsOf } from "./naive-engine.ts";

/** Written by msgspec 0.22.0, the engines' own encoder, from structs declared as vLLM (0.26, and as it was with arrays) and SGLang
 *  declare them: two blocks stored at the start of a prompt, one of them removed, all cleared. */
const WRITTEN = {
	arrays:
		"k8tB2kpFOBAAAJOcq0Jsb2NrU3RvcmVkks///////////gfAlM0D6M0D6c0D6s0D6wLAo0dQVcCSkaRzYWx0wACuZnVsbF9hdHRlbnRpb27AlKxCbG9ja1JlbW92ZWSRB6NHUFUAkbBBbGxCbG9ja3NDbGVhcmVkAQ==",
	array_of_maps:
		"k8tB2kpFOBAAAJOLpHR5cGWrQmxvY2tTdG9yZWSsYmxvY2tfaGFzaGVzksQgAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh/EIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gsXBhcmVudF9ibG9ja19oYXNowKl0b2tlbl9pZHOUzQPozQPpzQPqzQPrqmJsb2NrX3NpemUCp2xvcmFfaWTApm1lZGl1baNHUFWpbG9yYV9uYW1lwKpleHRyYV9rZXlzkpGkc2FsdMCpZ3JvdXBfaWR4ALJrdl9jYWNoZV9zcGVjX2tpbmSuZnVsbF9hdHRlbnRpb26EpHR5cGWsQmxvY2tSZW1vdmVkrGJsb2NrX2hhc2hlc5HEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gpm1lZGl1baNHUFWpZ3JvdXBfaWR4AIGkdHlwZbBBbGxCbG9ja3NDbGVhcmVkAQ==",
	maps: "g6J0c8tB2kpFOBAAAKZldmVudHOTi6R0eXBlq0Jsb2NrU3RvcmVkrGJsb2NrX2hhc2hlc5LEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fxCABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fILFwYXJlbnRfYmxvY2tfaGFzaMCpdG9rZW5faWRzlM0D6M0D6c0D6s0D66pibG9ja19zaXplAqdsb3JhX2lkwKZtZWRpdW2jR1BVqWxvcmFfbmFtZcCqZXh0cmFfa2V5c5KRpHNhbHTAqWdyb3VwX2lkeACya3ZfY2FjaGVfc3BlY19raW5krmZ1bGxfYXR0ZW50aW9uhKR0eXBlrEJsb2NrUmVtb3ZlZKxibG9ja19oYXNoZXORxCABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fIKZtZWRpdW2jR1BVqWdyb3VwX2lkeACBpHR5cGWwQWxsQmxvY2tzQ2xlYXJlZLJkYXRhX3BhcmFsbGVsX3JhbmsB",
	sglang:
		"kstB2kpFOBAAAJOWq0Jsb2NrU3RvcmVkktOAAAAAAAAABQfAlM0D6M0D6c0D6s0D6wLAkqxCbG9ja1JlbW92ZWSRB5GwQWxsQmxvY2tzQ2xlYXJlZA==",
};

function read(written: string): EventBatch {
	const batch = decodePayload(Buffer.from(written, "base64"), "batch");
	if (!batch.ok) throw new Error(`${batch.error.path}: ${batch.error.message}`);
	return batch.value;
}

describe("what msgspec writes", () => {
	test.for(Object.entries(WRITTEN))("%s", ([name, written]) => {
		const { ts, rank, unknown, events } = read(written);
		expect({ ts, rank, unknown }).toEqual({ ts: 1_764_300_000.25, rank: name === "sglang" ? null : 1, unknown: 0 });
		const [stored, removed, cleared] = events as [BlocksStored, BlocksStored, unknown];
		expect(stored).toMatchObject({
			kind: "stored",
			parent: null,
			tokens: Uint32Array.of(1_000, 1_001, 1_002, 1_003),
			blockSize: 2,
			tier: 0,
			group: 0,
			slidingWindow: false,
			lora: null,
			extras: name === "sglang" ? null : ['["salt"]', null],
		});
		expect(removed).toEqual({ kind: "removed", ids: stored.ids.slice(2), tier: 0, group: 0 });
		expect(cleared).toEqual({ kind: "cleared" });
	});

	test("numbers of 64 bits are the ids of those numbers, and bytes the same in both forms with maps", () => {
		const idsIn = (written: string) => (read(written).events[0] as BlocksStored).ids;
		expect(idsIn(WRITTEN.arrays)).toEqual(idsOf([2 ** 64 - 2, 7]));
		expect(idsIn(WRITTEN.sglang)).toEqual(idsOf([-(2 ** 63) + 5, 7]));
		expect(idsIn(WRITTEN.maps)).toEqual(idsIn(WRITTEN.array_of_maps));
	});
});
