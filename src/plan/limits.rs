//! Limits of kinds of devices, to run and to count as if on one: `--limits NAME`, and the tests.

use crate::kernels::Tier;

/// Bytes that every WebGPU device binds as one storage buffer.
pub const WEBGPU_BINDING_BYTES: u64 = 128 << 20;

/// Bytes of workgroup memory that every WebGPU device has: shaders keep to it, whatever a device has.
pub const WEBGPU_WORKGROUP_BYTES: usize = 16 << 10;

/// A value, and where it is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// A document, a report or a measurement; `assumed` where there is none.
    pub source: &'static str,
}

const fn known<T>(value: T, source: &'static str) -> Known<T> {
    Known { value, source }
}

/// The limits and features of a kind of device. A device that is opened under a profile is requested with exactly
/// these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name that the command line takes.
    pub name: &'static str,
    /// The devices that it describes.
    pub devices: &'static str,
    /// Most bytes of a storage binding.
    pub binding_bytes: Known<u64>,
    /// Most bytes of a buffer.
    pub buffer_bytes: Known<u64>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: Known<u32>,
    /// Most invocations of a workgroup.
    pub workgroup_invocations: Known<u32>,
    /// Storage buffers of a shader stage.
    pub storage_buffers: Known<u32>,
    /// Whether shaders have `f16`.
    pub shader_f16: Known<bool>,
    /// Fewest and most invocations of a subgroup; `None` where shaders have no subgroup operations.
    pub subgroups: Known<Option<[u32; 2]>>,
    /// Bytes that a program may take before the system ends it; `None` where nothing says.
    pub memory: Known<Option<u64>>,
}

const WEBGPU: &str = "WebGPU specification, section 3.6.2, default limits";
const ASSUMED: &str = "assumed";
const TURNIP: &str = "Mesa's Turnip driver, as wgpu 30 sees it";
const NO_F16_ON_ADRENO: &str = "wgpu 30 wants 16-bit uniform buffers, which Adreno lacks (Mesa's Turnip)";
const HALF_OF_8_GB: Known<Option<u64>> = known(Some(4 << 30), "half of the 8 GB that such phones have; assumed");
/// `maxStorageBufferRange` of most drivers is larger, and wgpu caps it at this.
const MOST_OF_WGPU: u64 = i32::MAX as u64;

const WEBGPU_MIN: Profile = Profile {
    name: "webgpu-min",
    devices: "any device with WebGPU",
    binding_bytes: known(WEBGPU_BINDING_BYTES, WEBGPU),
    buffer_bytes: known(256 << 20, WEBGPU),
    workgroup_bytes: known(16 << 10, WEBGPU),
    workgroup_invocations: known(256, WEBGPU),
    storage_buffers: known(8, WEBGPU),
    shader_f16: known(false, WEBGPU),
    subgroups: known(None, WEBGPU),
    memory: known(None, "the specification names none"),
};

/// Limits that the Adreno GPUs share.
const ADRENO: Profile = Profile {
    name: "",
    devices: "",
    binding_bytes: known(128 << 20, TURNIP),
    buffer_bytes: known(MOST_OF_WGPU, "wgpu's cap on phones"),
    workgroup_bytes: known(32 << 10, TURNIP),
    workgroup_invocations: known(1024, TURNIP),
    storage_buffers: known(24, ASSUMED),
    shader_f16: known(false, NO_F16_ON_ADRENO),
    subgroups: known(Some([64, 128]), TURNIP),
    memory: HALF_OF_8_GB,
};

/// Limits that the Mali GPUs share.
const MALI: Profile = Profile {
    name: "",
    devices: "",
    binding_bytes: known(MOST_OF_WGPU, "4 GiB on the G610 (Mesa's panvk), capped by wgpu at 2 GiB - 1"),
    buffer_bytes: known(MOST_OF_WGPU, "wgpu's cap on phones"),
    workgroup_bytes: known(32 << 10, "Arm's Mali best practices"),
    workgroup_invocations: known(512, ASSUMED),
    storage_buffers: known(16, ASSUMED),
    shader_f16: known(true, "shaderFloat16 and 16-bit storage on the G610 (Mesa's panvk)"),
    subgroups: known(Some([16, 16]), "16 on the G610 (Mesa's panvk)"),
    memory: HALF_OF_8_GB,
};

/// Limits that the iPhones share in apps.
const IPHONE: Profile = Profile {
    name: "",
    devices: "",
    binding_bytes: known(1 << 30, ASSUMED),
    buffer_bytes: known(1 << 30, ASSUMED),
    workgroup_bytes: known(32 << 10, "Apple's Metal feature set tables"),
    workgroup_invocations: known(1024, "Apple's Metal feature set tables"),
    storage_buffers: known(31, "Apple's Metal feature set tables: 31 buffers of a stage"),
    shader_f16: known(true, "Metal's half"),
    subgroups: known(Some([32, 32]), "Apple's Metal feature set tables: SIMD groups of 32"),
    memory: known(Some(2 << 30), "half of 4 GB: reports of apps name 50 to 67 % of the memory"),
};

impl Profile {
    /// Every profile, the plainest first.
    pub const ALL: [Self; 9] = [
        WEBGPU_MIN,
        Self {
            name: "adreno650",
            devices: "Snapdragon 865 and 870: Galaxy S20, Poco F3",
            binding_bytes: known(128 << 20, "web-llm, issue 209"),
            ..ADRENO
        },
        Self { name: "adreno750", devices: "Snapdragon 8 Gen 3: OnePlus 12, Galaxy S24", ..ADRENO },
        Self {
            name: "mali-g78",
            devices: "Tensor G1 and G2: Pixel 6, 6a and 7",
            binding_bytes: known(MOST_OF_WGPU, "2 GiB on a Pixel 6a (web-llm, issue 524), capped by wgpu at 2 GiB - 1"),
            memory: known(Some(3 << 30), "half of the 6 GB of a Pixel 6a; assumed"),
            ..MALI
        },
        Self {
            name: "mali-g715",
            devices: "Tensor G3 and G4, Dimensity 9200: Pixel 8 and 9",
            workgroup_invocations: known(1024, ASSUMED),
            ..MALI
        },
        Self {
            name: "powervr-dxt",
            devices: "Tensor G5: Pixel 10",
            binding_bytes: known(128 << 20, "Mesa's PowerVR driver on the BXM-4-64"),
            buffer_bytes: known(MOST_OF_WGPU, "wgpu's cap on phones"),
            workgroup_bytes: known(32 << 10, ASSUMED),
            workgroup_invocations: known(512, ASSUMED),
            storage_buffers: known(16, ASSUMED),
            shader_f16: known(false, "Mesa's PowerVR driver on the BXM-4-64; the vendor's may have it"),
            subgroups: known(Some([32, 128]), "llama.cpp, issue 28341"),
            memory: known(Some(6 << 30), "half of the 12 GB of a Pixel 10; assumed"),
        },
        Self { name: "iphone-a14", devices: "iPhone 12, in an app", ..IPHONE },
        Self {
            name: "iphone-a17",
            devices: "iPhone 15 Pro, in an app",
            binding_bytes: known(4 << 30, ASSUMED),
            buffer_bytes: known(4 << 30, ASSUMED),
            memory: known(Some(4 << 30), "half of 8 GB: reports of apps name 50 to 67 % of the memory"),
            ..IPHONE
        },
        Self {
            name: "safari-ios",
            devices: "Safari on iPhones and iPads",
            binding_bytes: known(715_827_880, "an iPhone 11 Pro Max with iOS 18.7 (ludion.ai, June 2026)"),
            buffer_bytes: known(715_827_880, "an iPhone 11 Pro Max with iOS 18.7 (ludion.ai, June 2026)"),
            storage_buffers: known(8, ASSUMED),
            subgroups: known(None, "wgpu 30 maps no subgroups in browsers (wgpu, issue 10146)"),
            memory: known(Some(1_500_000_000), "the limit of a page's process (WebKit, pull request 49472)"),
            ..IPHONE
        },
    ];

    /// The profile of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        const ALL: &[Profile] = &Profile::ALL;
        ALL.iter().find(|profile| profile.name == name)
    }

    /// The tier with every feature that it has.
    pub const fn best_tier(&self) -> Tier {
        Tier::of(self.shader_f16.value, self.subgroups.value.is_some())
    }

    /// Every value in words, with its name and source.
    pub fn rows(&self) -> [(&'static str, String, &'static str); 8] {
        let yes = |has: bool| if has { "yes" } else { "no" }.to_owned();
        let subgroups = match self.subgroups.value {
            None => yes(false),
            Some([low, high]) if low == high => format!("of {low} invocations"),
            Some([low, high]) => format!("of {low} to {high} invocations"),
        };
        let memory = self.memory.value.map_or_else(|| "no limit known".to_owned(), |bytes| format!("{bytes} bytes"));
        [
            ("storage binding", format!("{} bytes", self.binding_bytes.value), self.binding_bytes.source),
            ("buffer", format!("{} bytes", self.buffer_bytes.value), self.buffer_bytes.source),
            ("workgroup memory", format!("{} bytes", self.workgroup_bytes.value), self.workgroup_bytes.source),
            (
                "workgroup",
                format!("{} invocations", self.workgroup_invocations.value),
                self.workgroup_invocations.source,
            ),
            ("storage buffers", format!("{} of a stage", self.storage_buffers.value), self.storage_buffers.source),
            ("shader-f16", yes(self.shader_f16.value), self.shader_f16.source),
            ("subgroups", subgroups, self.subgroups.source),
            ("memory", memory, self.memory.source),
        ]
    }
}
