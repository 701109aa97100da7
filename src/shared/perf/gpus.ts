/** An accelerator as its maker's datasheet states it. */
export interface Gpu {
	readonly name: string;
	/** Dense FLOP/s of the matrix units, accumulating in fp32 where the datasheet says; absent: no such format. */
	readonly flops: { readonly fp16: number; readonly fp8?: number; readonly fp4?: number };
	/** Memory bandwidth, byte/s. */
	readonly bytesPerSecond: number;
	/** Memory, bytes: the nominal (decimal) gigabytes. */
	readonly bytes: number;
	/** What one GPU sends to the others of its machine, byte/s in one direction: NVLink, Infinity Fabric or PCIe. */
	readonly linkBytesPerSecond: number;
}

/** TFLOP/s at fp16, fp8 and fp4 (0: not there), memory GB/s, memory GB, link GB/s, and names in use besides the
 *  first. */
type Row = readonly [string, number, number, number, number, number, number, ...string[]];

/** From the datasheets of NVIDIA and AMD. They print the figure with 2:4 sparsity first; these are the dense ones:
 *  half of the 1,979 of an H100, of the 242 of an L4. An A10G is not an A10 (70 TFLOP/s, not 125). A plain "A100" is
 *  taken as 80 GB, a plain "H100" as SXM. The RTX PRO 6000 is the server edition: its bandwidth, with the matrix rate
 *  of the same chip. */
const ROWS: readonly Row[] = [
	["B200", 2250, 4500, 9000, 8000, 180, 900, "B200-SXM", "B200-180GB", "B200-192GB"],
	["GB200", 2500, 5000, 10000, 8000, 186, 900],
	["H200", 989, 1979, 0, 4800, 141, 450, "H200-SXM", "H200-141GB", "H200-SXM-141GB"],
	["GH200", 989, 1979, 0, 4000, 96, 450, "GH200-96GB", "GH200-480GB"],
	["H100", 989, 1979, 0, 3350, 80, 450, "H100-SXM", "H100-SXM5", "H100-80GB", "H100-80GB-HBM3", "H100-SXM-80GB"],
	["H100-NVL", 835, 1671, 0, 3900, 94, 300, "H100-94GB", "H100-NVL-94GB"],
	["H100-PCIe", 756, 1513, 0, 2000, 80, 64, "H100-PCIe-80GB", "H100-80GB-PCIe"],
	["A100-80GB", 312, 0, 0, 2039, 80, 300, "A100", "A100-80", "A100-80G", "A100-SXM", "A100-SXM4-80GB", "A100-SXM-80GB"],
	["A100-80GB-PCIe", 312, 0, 0, 1935, 80, 32, "A100-PCIe", "A100-PCIe-80GB"],
	["A100-40GB", 312, 0, 0, 1555, 40, 300, "A100-40", "A100-40G", "A100-SXM4-40GB", "A100-SXM-40GB", "A100-PCIe-40GB"],
	["L40S", 362, 733, 0, 864, 48, 32, "L40S-48GB"],
	["L40", 181, 362, 0, 864, 48, 32, "L40-48GB"],
	["L4", 121, 242, 0, 300, 24, 32, "L4-24GB"],
	["A40", 149.7, 0, 0, 696, 48, 32, "A40-48GB"],
	["A30", 165, 0, 0, 933, 24, 32, "A30-24GB"],
	["A10", 125, 0, 0, 600, 24, 32, "A10-24GB"],
	["A10G", 70, 0, 0, 600, 24, 32, "A10G-24GB"],
	["T4", 65, 0, 0, 320, 16, 16, "T4-16GB"],
	["V100-32GB", 125, 0, 0, 900, 32, 150, "V100-SXM2-32GB"],
	["V100", 125, 0, 0, 900, 16, 150, "V100-16GB", "V100-SXM2", "V100-SXM2-16GB"],
	["RTX-PRO-6000", 503, 1007, 2015, 1597, 96, 64, "RTX-PRO-6000-Blackwell-Server-Edition", "RTX6000Pro"],
	["RTX-A6000", 154.8, 0, 0, 768, 48, 32, "A6000"],
	["RTX-6000-Ada", 364, 728, 0, 960, 48, 32, "RTX-6000-Ada-Generation", "6000Ada"],
	["RTX-A5000", 111, 0, 0, 768, 24, 32, "A5000"],
	["RTX-5090", 209.5, 419, 1676, 1792, 32, 64, "5090"],
	["RTX-4090", 165.2, 330.3, 0, 1008, 24, 32, "4090"],
	["RTX-3090", 71, 0, 0, 936, 24, 32, "3090"],
	["MI300X", 1307, 2615, 0, 5300, 192, 448, "MI300X-192GB", "MI300X-OAM"],
	["MI325X", 1307, 2615, 0, 6000, 256, 448],
	["MI355X", 2516, 5033, 10066, 8000, 288, 538],
];

const MAKERS = /nvidia|amd|geforce|quadro|tesla|instinct/g;

/** The GPU that people mean by this name: case, punctuation and maker's words do not count (`NVIDIA A100-SXM4-80GB`,
 *  `a100_80gb`). Undefined when it is none of the table's. */
export function gpuByName(name: string): Gpu | undefined {
	return BY_NAME.get(plain(name));
}

export const GPUS: readonly Gpu[] = ROWS.map(gpuFrom);

const BY_NAME: ReadonlyMap<string, Gpu> = new Map(
	ROWS.flatMap(([name, , , , , , , ...aliases], index) =>
		[name, ...aliases].map((alias): [string, Gpu] => [plain(alias), GPUS[index]!]),
	),
);

function gpuFrom([name, fp16, fp8, fp4, bandwidth, memory, link]: Row): Gpu {
	return {
		name,
		flops: { fp16: fp16 * 1e12, ...(fp8 && { fp8: fp8 * 1e12 }), ...(fp4 && { fp4: fp4 * 1e12 }) },
		bytesPerSecond: bandwidth * 1e9,
		bytes: memory * 1e9,
		linkBytesPerSecond: link * 1e9,
	};
}

function plain(name: string): string {
	return name
		.toLowerCase()
		.replace(MAKERS, "")
		.replace(/[^a-z0-9]/g, "");
}
