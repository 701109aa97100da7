import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GPUS, gpuByName } from "../../../src/shared/perf/gpus.ts";

describe("gpuByName", () => {
	test.each([
		["A100", "A100-80GB"],
		["A100-80GB", "A100-80GB"],
		["a100_80gb", "A100-80GB"],
		["NVIDIA A100-SXM4-80GB", "A100-80GB"],
		["nvidia-a100-80gb", "A100-80GB"],
		["NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"],
		["A100-40", "A100-40GB"],
		["NVIDIA A100-SXM4-40GB", "A100-40GB"],
		["H100-SXM", "H100"],
		["NVIDIA H100 80GB HBM3", "H100"],
		["nvidia-h100-80gb", "H100"],
		["NVIDIA H100 PCIe", "H100-PCIe"],
		["NVIDIA L40S", "L40S"],
		["nvidia-l4", "L4"],
		["Tesla T4", "T4"],
		["NVIDIA GeForce RTX 4090", "RTX-4090"],
		["RTX4090", "RTX-4090"],
		["RTX6000Pro", "RTX-PRO-6000"],
		["NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"],
		["AMD Instinct MI300X", "MI300X"],
		["NVIDIA A10G", "A10G"],
	])("%s is %s", (name, expected) => {
		expect(gpuByName(name)?.name).toBe(expected);
	});

	test.each(["", "nvidia", "TPU v9", "constructor", "__proto__", "8xH100"])("%j is none", (name) => {
		expect(gpuByName(name)).toBeUndefined();
	});

	test("case and punctuation do not matter, and every row is found by its own name", () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...GPUS),
				fc.infiniteStream(fc.boolean()),
				fc.constantFrom("", " ", "-", "_"),
				(gpu, up, by) => {
					const letters = gpu.name.replaceAll(/./g, (c) => (up.next().value ? c.toUpperCase() : c.toLowerCase()));
					expect(gpuByName(letters.replaceAll("-", by))).toBe(gpu);
				},
			),
		);
	});
});

describe("the table", () => {
	test("names are unique and rows are plausible", () => {
		expect(new Set(GPUS.map((gpu) => gpu.name)).size).toBe(GPUS.length);
		for (const { flops, bytes, bytesPerSecond, linkBytesPerSecond } of GPUS) {
			expect(flops.fp8 ?? Infinity).toBeGreaterThan(flops.fp16);
			expect(flops.fp4 ?? Infinity).toBeGreaterThan(flops.fp8 ?? 0);
			// Reading all of its memory takes any GPU of these 10 to 100 ms; FLOPs per byte lie between 50 and 450 at
			// fp16.
			expect(bytes / bytesPerSecond).toBeGreaterThan(0.01);
			expect(bytes / bytesPerSecond).toBeLessThan(0.1);
			expect(flops.fp16 / bytesPerSecond).toBeGreaterThan(50);
			expect(flops.fp16 / bytesPerSecond).toBeLessThan(450);
			expect(linkBytesPerSecond).toBeLessThan(bytesPerSecond);
		}
	});

	test("dense figures of the datasheets, not the sparse ones", () => {
		expect(gpuByName("H100")?.flops).toEqual({ fp16: 989e12, fp8: 1979e12 });
		expect(gpuByName("L4")?.flops).toEqual({ fp16: 121e12, fp8: 242e12 });
		expect(gpuByName("A100")?.flops).toEqual({ fp16: 312e12 });
		expect(gpuByName("B200")?.flops).toEqual({ fp16: 2250e12, fp8: 4500e12, fp4: 9000e12 });
	});
});
