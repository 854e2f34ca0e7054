// What a Vulkan driver says of compute pipelines: statistics of its compiler, and its listing.
//
//   statistics DRIVER.so < JOBS
//
// A job is a line: the path of a SPIR-V file, its entry point, its bindings in order (u uniform buffer, s storage
// buffer, - none), bytes of push constants, the size that subgroups must have (0 the driver's own, -1 any), and pairs
// ID=VALUE of specialisation constants. Answers are lines too: `device NAME`, `mesa VERSION`, `robust 0|1` (robustBufferAccess2);
// for each job `job PATH`, then `error TEXT`, or `subgroup N`, `stat NAME=VALUE` …, and the listing between
// `listing NAME` and `end of listing`.
//
// Mesa's shims stand in for the kernel's driver, and know one GPU of a family or a few. For others this program
// answers the question which GPU it is itself, before the shim does: ADRENO_CHIP_ID for Adreno, PANTHOR_GPU_ID and
// PANTHOR_VARIANT for Mali.
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

// Requests of DRM drivers have this type, and both of these are the first of their driver's.
#define DRM_TYPE 'd'
#define DRM_FIRST 0x40
struct msm_param { uint32_t pipe, param; uint64_t value; };
struct panthor_query { uint32_t type, size; uint64_t pointer; };
// MSM_PARAM_GPU_ID and MSM_PARAM_CHIP_ID; the place of `gpu_features` in struct drm_panthor_gpu_info follows them.
enum { MSM_GPU_ID = 1, MSM_CHIP_ID = 3, PANTHOR_GPU_INFO = 0, PANTHOR_VARIANT_AT = 96 };

int ioctl(int file, unsigned long request, ...) {
  static int (*next)(int, unsigned long, ...);
  if (!next) next = dlsym(RTLD_NEXT, "ioctl");
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  int result = next(file, request, argument);
  if (result != 0 || ((request >> 8) & 0xff) != DRM_TYPE || (request & 0xff) != DRM_FIRST) return result;
  const char *chip = getenv("ADRENO_CHIP_ID"), *mali = getenv("PANTHOR_GPU_ID"), *variant = getenv("PANTHOR_VARIANT");
  if (chip) {
    struct msm_param *param = argument;
    if (param->param == MSM_CHIP_ID) param->value = strtoull(chip, NULL, 16);
    // A driver that gets no number here goes by the chip.
    if (param->param == MSM_GPU_ID) param->value = 0;
  } else if (mali && ((request >> 16) & 0x3fff) == sizeof(struct panthor_query)) {
    struct panthor_query *query = argument;
    if (query->type == PANTHOR_GPU_INFO && query->pointer) {
      char *info = (char *)(uintptr_t)query->pointer;
      *(uint32_t *)info = strtoul(mali, NULL, 16);
      if (variant && query->size >= PANTHOR_VARIANT_AT + 4)
        *(uint32_t *)(info + PANTHOR_VARIANT_AT) = strtoul(variant, NULL, 0);
    }
  }
  return result;
}

static void fail(const char *what, int code) {
  printf("fatal %s (%d)\n", what, code);
  exit(1);
}

#define INSTANCE(name) PFN_##name name = (PFN_##name)instance_proc(instance, #name)
#define DEVICE(name) name = (PFN_##name)vkGetDeviceProcAddr(device, #name)
static PFN_vkCreateShaderModule vkCreateShaderModule;
static PFN_vkDestroyShaderModule vkDestroyShaderModule;
static PFN_vkCreateDescriptorSetLayout vkCreateDescriptorSetLayout;
static PFN_vkCreatePipelineLayout vkCreatePipelineLayout;
static PFN_vkCreateComputePipelines vkCreateComputePipelines;
static PFN_vkDestroyPipeline vkDestroyPipeline;
static PFN_vkGetPipelineExecutablePropertiesKHR vkGetPipelineExecutablePropertiesKHR;
static PFN_vkGetPipelineExecutableStatisticsKHR vkGetPipelineExecutableStatisticsKHR;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR vkGetPipelineExecutableInternalRepresentationsKHR;

#define MOST_WORDS (1 << 20)
#define MOST_BINDINGS 32
#define MOST_CONSTANTS 64

static void print_executables(VkDevice device, VkPipeline pipeline) {
  VkPipelineInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
  uint32_t count = 1;
  VkPipelineExecutablePropertiesKHR executable = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
  VkResult result = vkGetPipelineExecutablePropertiesKHR(device, &info, &count, &executable);
  if (result < 0 || count == 0) {
    printf("error the driver lists no executable (%d)\n", result);
    return;
  }
  printf("subgroup %u\n", executable.subgroupSize);
  VkPipelineExecutableInfoKHR which = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline};
  uint32_t stats = 0;
  vkGetPipelineExecutableStatisticsKHR(device, &which, &stats, NULL);
  VkPipelineExecutableStatisticKHR *stat = calloc(stats + 1, sizeof *stat);
  for (uint32_t i = 0; i < stats; i++) stat[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
  vkGetPipelineExecutableStatisticsKHR(device, &which, &stats, stat);
  for (uint32_t i = 0; i < stats; i++) {
    if (stat[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR)
      printf("stat %s=%g\n", stat[i].name, stat[i].value.f64);
    else
      printf("stat %s=%llu\n", stat[i].name, (unsigned long long)stat[i].value.u64);
  }
  free(stat);
  uint32_t texts = 0;
  vkGetPipelineExecutableInternalRepresentationsKHR(device, &which, &texts, NULL);
  VkPipelineExecutableInternalRepresentationKHR *text = calloc(texts + 1, sizeof *text);
  for (uint32_t i = 0; i < texts; i++) text[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
  vkGetPipelineExecutableInternalRepresentationsKHR(device, &which, &texts, text);
  for (uint32_t i = 0; i < texts; i++) text[i].pData = calloc(1, text[i].dataSize + 1);
  vkGetPipelineExecutableInternalRepresentationsKHR(device, &which, &texts, text);
  for (uint32_t i = 0; i < texts; i++) {
    // Of all forms that a shader takes in a compiler, the last is the machine's.
    if (text[i].isText && i + 1 == texts) printf("listing %s\n%s\nend of listing\n", text[i].name, (char *)text[i].pData);
    free(text[i].pData);
  }
  free(text);
}

static void job(VkDevice device, char *line) {
  static uint32_t code[MOST_WORDS];
  char *rest = NULL, *path = strtok_r(line, "\t", &rest), *entry = strtok_r(NULL, "\t", &rest);
  char *bindings = strtok_r(NULL, "\t", &rest), *push = strtok_r(NULL, "\t", &rest);
  char *subgroup = strtok_r(NULL, "\t", &rest);
  if (!subgroup) fail("a job has five parts, with tabs between them", 0);
  printf("job %s\n", path);
  FILE *file = fopen(path, "rb");
  if (!file) {
    puts("error the file cannot be read");
    return;
  }
  size_t bytes = fread(code, 1, sizeof code, file);
  fclose(file);
  VkShaderModuleCreateInfo module_info = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = code};
  VkShaderModule module;
  VkResult result = vkCreateShaderModule(device, &module_info, NULL, &module);
  if (result < 0) {
    printf("error vkCreateShaderModule (%d)\n", result);
    return;
  }

  VkDescriptorSetLayoutBinding binding[MOST_BINDINGS];
  uint32_t count = 0;
  for (uint32_t i = 0; bindings[i] && i < MOST_BINDINGS; i++) {
    if (bindings[i] == '-') continue;
    VkDescriptorType type = bindings[i] == 'u' ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    binding[count++] = (VkDescriptorSetLayoutBinding){i, type, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL};
  }
  VkDescriptorSetLayoutCreateInfo set_info = {
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = count, .pBindings = binding};
  VkDescriptorSetLayout set;
  vkCreateDescriptorSetLayout(device, &set_info, NULL, &set);
  VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, atoi(push)};
  VkPipelineLayoutCreateInfo layout_info = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                            .setLayoutCount = 1,
                                            .pSetLayouts = &set,
                                            .pushConstantRangeCount = range.size ? 1 : 0,
                                            .pPushConstantRanges = &range};
  VkPipelineLayout layout;
  vkCreatePipelineLayout(device, &layout_info, NULL, &layout);

  VkSpecializationMapEntry map[MOST_CONSTANTS];
  uint32_t values[MOST_CONSTANTS], constants = 0;
  for (char *pair; constants < MOST_CONSTANTS && (pair = strtok_r(NULL, "\t", &rest)); constants++) {
    char *value = strchr(pair, '=');
    if (!value) fail("a specialisation constant is ID=VALUE", 0);
    values[constants] = strtoul(value + 1, NULL, 0);
    map[constants] = (VkSpecializationMapEntry){strtoul(pair, NULL, 0), constants * 4, 4};
  }
  VkSpecializationInfo special = {constants, map, constants * 4, values};
  int wanted = atoi(subgroup);
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO, .requiredSubgroupSize = wanted};
  VkPipelineShaderStageCreateInfo stage = {
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
      .pNext = wanted > 0 ? &size : NULL,
      .flags = wanted < 0 ? VK_PIPELINE_SHADER_STAGE_CREATE_ALLOW_VARYING_SUBGROUP_SIZE_BIT : 0,
      .stage = VK_SHADER_STAGE_COMPUTE_BIT,
      .module = module,
      .pName = entry,
      .pSpecializationInfo = constants ? &special : NULL};
  VkComputePipelineCreateInfo pipeline_info = {VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                               .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                                                        VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
                                               .stage = stage,
                                               .layout = layout};
  VkPipeline pipeline;
  result = vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &pipeline_info, NULL, &pipeline);
  if (result < 0) {
    printf("error vkCreateComputePipelines (%d)\n", result);
    return;
  }
  print_executables(device, pipeline);
  vkDestroyPipeline(device, pipeline, NULL);
  vkDestroyShaderModule(device, module, NULL);
}

int main(int count, char **argument) {
  if (count != 2) fail("usage: statistics DRIVER.so", 0);
  void *driver = dlopen(argument[1], RTLD_NOW | RTLD_LOCAL);
  if (!driver) fail(dlerror(), 0);
  VkResult (*negotiate)(uint32_t *) =
      (VkResult(*)(uint32_t *))dlsym(driver, "vk_icdNegotiateLoaderICDInterfaceVersion");
  uint32_t version = 5;
  if (negotiate) negotiate(&version);
  PFN_vkGetInstanceProcAddr instance_proc = (PFN_vkGetInstanceProcAddr)dlsym(driver, "vk_icdGetInstanceProcAddr");
  if (!instance_proc) fail("the driver has no vk_icdGetInstanceProcAddr", 0);

  VkInstance instance = VK_NULL_HANDLE;
  INSTANCE(vkCreateInstance);
  VkApplicationInfo application = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3};
  VkInstanceCreateInfo instance_info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
  VkResult result = vkCreateInstance(&instance_info, NULL, &instance);
  if (result < 0) fail("vkCreateInstance", result);
  INSTANCE(vkEnumeratePhysicalDevices);
  INSTANCE(vkEnumerateDeviceExtensionProperties);
  INSTANCE(vkGetPhysicalDeviceFeatures2);
  INSTANCE(vkGetPhysicalDeviceProperties2);
  INSTANCE(vkGetDeviceProcAddr);
  INSTANCE(vkCreateDevice);
  VkPhysicalDevice physical;
  uint32_t devices = 1;
  vkEnumeratePhysicalDevices(instance, &devices, &physical);
  if (devices == 0) fail("the driver finds no device: is the shim preloaded?", 0);

  VkPhysicalDeviceDriverProperties about = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &about};
  vkGetPhysicalDeviceProperties2(physical, &properties);

  uint32_t extensions = 0;
  vkEnumerateDeviceExtensionProperties(physical, NULL, &extensions, NULL);
  VkExtensionProperties *extension = calloc(extensions + 1, sizeof *extension);
  vkEnumerateDeviceExtensionProperties(physical, NULL, &extensions, extension);
  const char *wanted[2];
  uint32_t enabled = 0;
  int has_robustness = 0;
  for (uint32_t i = 0; i < extensions; i++) {
    const char *name = extension[i].extensionName;
    if (!strcmp(name, VK_EXT_ROBUSTNESS_2_EXTENSION_NAME)) {
      has_robustness = 1;
      wanted[enabled++] = VK_EXT_ROBUSTNESS_2_EXTENSION_NAME;
    } else if (!strcmp(name, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)) {
      wanted[enabled++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    }
  }

  // All features that the device has: what wgpu asks for is among them, robustBufferAccess2 too.
  VkPhysicalDeviceRobustness2FeaturesEXT robust = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT};
  VkPhysicalDeviceVulkan13Features f13 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
                                          has_robustness ? &robust : NULL};
  VkPhysicalDeviceVulkan12Features f12 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &f13};
  VkPhysicalDeviceVulkan11Features f11 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &f12};
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, &f11};
  VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &executables};
  vkGetPhysicalDeviceFeatures2(physical, &features);
  if (!executables.pipelineExecutableInfo) fail("the driver gives no statistics", 0);

  float priority = 1;
  VkDeviceQueueCreateInfo queue = {
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
  VkDeviceCreateInfo device_info = {VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                    &features,
                                    .queueCreateInfoCount = 1,
                                    .pQueueCreateInfos = &queue,
                                    .enabledExtensionCount = enabled,
                                    .ppEnabledExtensionNames = wanted};
  VkDevice device;
  result = vkCreateDevice(physical, &device_info, NULL, &device);
  if (result < 0) fail("vkCreateDevice", result);
  DEVICE(vkCreateShaderModule);
  DEVICE(vkDestroyShaderModule);
  DEVICE(vkCreateDescriptorSetLayout);
  DEVICE(vkCreatePipelineLayout);
  DEVICE(vkCreateComputePipelines);
  DEVICE(vkDestroyPipeline);
  DEVICE(vkGetPipelineExecutablePropertiesKHR);
  DEVICE(vkGetPipelineExecutableStatisticsKHR);
  DEVICE(vkGetPipelineExecutableInternalRepresentationsKHR);
  printf("device %s\nmesa %s\nrobust %d\n", properties.properties.deviceName, about.driverInfo,
         has_robustness && robust.robustBufferAccess2);

  static char line[1 << 16];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (*line) job(device, line);
    fflush(stdout);
  }
  return 0;
}
