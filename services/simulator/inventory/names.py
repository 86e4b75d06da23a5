"""Which properties exist, so that an unset one is told from a mistyped one.

Names are those of the vSphere 8 API reference; most of them the simulator never sets.
"""

from __future__ import annotations

_NAMES = {
    "VirtualMachine": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag capability config layout layoutEx storage environmentBrowser "
        "resourcePool parentVApp resourceConfig runtime guest summary datastore network snapshot "
        "rootSnapshot guestHeartbeatStatus"
    ),
    "HostSystem": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag runtime summary hardware capability licensableResource remediationState "
        "precheckRemediationResult remediationResult complianceCheckState complianceCheckResult "
        "configManager config vm datastore network datastoreBrowser systemResources "
        "answerFileValidationState answerFileValidationResult"
    ),
    "ClusterComputeResource": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag resourcePool host datastore network summary environmentBrowser "
        "configurationEx lifecycleManaged configManagerEnabled configuration recommendation "
        "drsRecommendation summaryEx hciConfig migrationHistory actionHistory drsFault"
    ),
    "Datacenter": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag vmFolder hostFolder datastoreFolder networkFolder datastore network "
        "configuration"
    ),
    "Folder": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag childType childEntity namespace"
    ),
    "ResourcePool": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag summary runtime owner resourcePool vm config namespace "
        "childConfiguration"
    ),
    "Datastore": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag info summary host vm browser capability iormConfiguration"
    ),
    "Network": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag summary host vm"
    ),
    "DistributedVirtualPortgroup": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag summary host vm key config portKeys"
    ),
    "VmwareDistributedVirtualSwitch": (
        "value availableField parent customValue overallStatus configStatus configIssue effectiveRole "
        "permission name disabledMethod recentTask declaredAlarmState triggeredAlarmState "
        "alarmActionsEnabled tag uuid capability summary config networkResourcePool portgroup runtime"
    ),
    "ServiceInstance": ("serverClock capability content"),
    "SessionManager": (
        "sessionList currentSession message messageLocaleList supportedLocaleList defaultLocale"
    ),
    "Task": ("value availableField info"),
    "TaskManager": ("recentTask description maxCollector"),
    "ContainerView": ("view container type recursive"),
    "ListView": ("view"),
    "AuthorizationManager": ("privilegeList roleList description"),
    "VirtualMachineConfigInfo": (
        "changeVersion modified name guestFullName version uuid createDate instanceUuid "
        "npivNodeWorldWideName npivPortWorldWideName npivWorldWideNameType npivDesiredNodeWwns "
        "npivDesiredPortWwns npivTemporaryDisabled npivOnNonRdmDisks locationId template guestId "
        "alternateGuestName annotation files tools flags consolePreferences defaultPowerOps "
        "rebootPowerOff hardware vcpuConfig cpuAllocation memoryAllocation latencySensitivity "
        "memoryHotAddEnabled cpuHotAddEnabled cpuHotRemoveEnabled hotPlugMemoryLimit "
        "hotPlugMemoryIncrementSize cpuAffinity memoryAffinity networkShaper extraConfig cpuFeatureMask "
        "datastoreUrl swapPlacement bootOptions ftInfo repConfig vAppConfig vAssertsEnabled "
        "changeTrackingEnabled firmware maxMksConnections guestAutoLockEnabled managedBy "
        "memoryReservationLockedToMax initialOverhead nestedHVEnabled vPMCEnabled "
        "scheduledHardwareUpgradeInfo forkConfigInfo vFlashCacheReservation vmxConfigChecksum "
        "messageBusTunnelEnabled vmStorageObjectId swapStorageObjectId keyId guestIntegrityInfo "
        "migrateEncryption sgxInfo contentLibItemInfo ftEncryptionMode guestMonitoringModeInfo sevEnabled "
        "numaInfo pmemFailoverEnabled vmxStatsCollectionEnabled vmOpNotificationToAppEnabled "
        "vmOpNotificationTimeout deviceSwap pmem deviceGroups fixedPassthruHotPlugEnabled metroFtEnabled "
        "metroFtHostGroup"
    ),
    "VirtualHardware": (
        "numCPU numCoresPerSocket autoCoresPerSocket memoryMB virtualICH7MPresent virtualSMCPresent "
        "device motherboardLayout simultaneousThreads"
    ),
    "GuestInfo": (
        "toolsStatus toolsVersionStatus toolsVersionStatus2 toolsRunningStatus toolsVersion "
        "toolsInstallType guestId guestFamily guestFullName guestDetailedData hostName ipAddress net "
        "ipStack disk screen guestState appHeartbeatStatus guestKernelCrashed appState "
        "guestOperationsReady interactiveGuestOperationsReady guestStateChangeSupported generationInfo "
        "hwVersion customizationInfo"
    ),
    "VirtualMachineRuntimeInfo": (
        "device host connectionState powerState vmFailoverInProgress faultToleranceState dasVmProtection "
        "toolsInstallerMounted suspendTime bootTime suspendInterval question memoryOverhead maxCpuUsage "
        "maxMemoryUsage numMksConnections recordReplayState cleanPowerOff needSecondaryReason "
        "onlineStandby minRequiredEVCModeKey consolidationNeeded offlineFeatureRequirement "
        "featureRequirement featureMask vFlashCacheAllocation paused snapshotInBackground "
        "quiescedForkParent instantCloneFrozen cryptoState suspendedToMemory opNotificationTimeout "
        "iommuActive"
    ),
    "VirtualMachineSummary": ("vm runtime guest config storage quickStats overallStatus customValue"),
    "VirtualMachineConfigSummary": (
        "name template vmPathName memorySizeMB cpuReservation memoryReservation numCpu numEthernetCards "
        "numVirtualDisks uuid instanceUuid guestId guestFullName annotation product installBootRequired "
        "ftInfo managedBy tpmPresent numVmiopBackings hwVersion"
    ),
    "VirtualMachineGuestSummary": (
        "guestId guestFullName toolsStatus toolsVersionStatus toolsVersionStatus2 toolsRunningStatus "
        "hostName ipAddress hwVersion"
    ),
    "VirtualMachineQuickStats": (
        "overallCpuUsage overallCpuDemand overallCpuReadiness guestMemoryUsage hostMemoryUsage "
        "guestHeartbeatStatus distributedCpuEntitlement distributedMemoryEntitlement staticCpuEntitlement "
        "staticMemoryEntitlement grantedMemory privateMemory sharedMemory swappedMemory balloonedMemory "
        "consumedOverheadMemory ftLogBandwidth ftSecondaryLatency ftLatencyStatus compressedMemory "
        "uptimeSeconds ssdSwappedMemory activeMemory memoryTierStats"
    ),
    "HostConfigInfo": (
        "host product deploymentInfo hyperThread cpuScheduler consoleReservation "
        "virtualMachineReservation storageDevice multipathState fileSystemVolume systemFile network "
        "vmotion virtualNicManagerInfo capabilities datastoreCapabilities offloadCapabilities service "
        "firewall autoStart activeDiagnosticPartition option optionDef datastorePrincipal "
        "localSwapDatastore systemSwapConfiguration systemResources dateTimeInfo flags adminDisabled "
        "lockdownMode ipmi sslThumbprintInfo sslThumbprintData certificate pciPassthruInfo "
        "authenticationManagerInfo featureVersion powerSystemCapability powerSystemInfo "
        "cacheConfigurationInfo wakeOnLanCapable featureCapability maskedFeatureCapability "
        "vFlashConfigInfo vsanHostConfig domainList scriptCheckSum hostConfigCheckSum "
        "descriptionTreeCheckSum graphicsInfo sharedPassthruGpuTypes graphicsConfig sharedGpuCapabilities "
        "ioFilterInfo sriovDevicePool assignableHardwareBinding assignableHardwareConfig"
    ),
    "HostNetworkInfo": (
        "vswitch proxySwitch portgroup pnic rdmaDevice vnic consoleVnic dnsConfig ipRouteConfig "
        "consoleIpRouteConfig routeTableInfo dhcp nat ipV6Enabled atBootIpV6Enabled netStackInstance "
        "opaqueSwitch opaqueNetwork nsxTransportNodeId nvdsToVdsMigrationRequired migrationStatus"
    ),
    "HostVirtualNicManagerInfo": ("netConfig"),
    "HostRuntimeInfo": (
        "connectionState powerState standbyMode inMaintenanceMode inQuarantineMode bootTime "
        "healthSystemRuntime dasHostState tpmPcrValues vsanRuntimeInfo networkRuntimeInfo "
        "vFlashResourceRuntimeInfo hostMaxVirtualDiskCapacity cryptoState cryptoKeyId "
        "statelessNvdsMigrationReady partialMaintenanceMode stateEncryption"
    ),
    "HostListSummary": (
        "host hardware runtime config quickStats overallStatus rebootRequired customValue "
        "managementServerIp maxEVCModeKey currentEVCModeKey currentEVCGraphicsModeKey gateway "
        "tpmAttestation trustAuthorityAttestationInfos"
    ),
    "HostHardwareSummary": (
        "vendor model uuid otherIdentifyingInfo memorySize cpuModel cpuMhz numCpuPkgs numCpuCores "
        "numCpuThreads numNics numHBAs"
    ),
    "HostConfigSummary": (
        "name port sslThumbprint product vmotionEnabled faultToleranceEnabled featureVersion "
        "agentVmDatastore agentVmNetwork"
    ),
    "HostListSummaryQuickStats": (
        "overallCpuUsage overallMemoryUsage distributedCpuFairness distributedMemoryFairness "
        "availablePMemCapacity uptime"
    ),
    "HostHardwareInfo": (
        "systemInfo cpuPowerManagementInfo cpuInfo cpuPkg memorySize numaInfo smcPresent pciDevice "
        "dvxClasses cpuFeature biosInfo reliableMemoryInfo persistentMemoryInfo sgxInfo sevInfo "
        "memoryTieringType memoryTierInfo"
    ),
    "HostSystemInfo": (
        "vendor model uuid otherIdentifyingInfo serialNumber qualifiedName vvolHostNQN vvolHostId "
        "bootCommandLine"
    ),
    "HostConfigManager": (
        "cpuScheduler datastoreSystem memoryManager storageSystem networkSystem vmotionSystem "
        "virtualNicManager serviceSystem firewallSystem advancedOption diagnosticSystem autoStartManager "
        "snmpSystem dateTimeSystem patchManager imageConfigManager bootDeviceSystem firmwareSystem "
        "healthStatusSystem pciPassthruSystem licenseManager kernelModuleSystem authenticationManager "
        "powerSystem cacheConfigurationManager esxAgentHostManager iscsiManager vFlashManager vsanSystem "
        "messageBusProxy userDirectory accountManager hostAccessManager graphicsManager "
        "vsanInternalSystem certificateManager cryptoManager nvdimmSystem assignableHardwareManager"
    ),
    "DVPortgroupConfigInfo": (
        "key name numPorts distributedVirtualSwitch defaultPortConfig description type backingType policy "
        "portNameFormat scope vendorSpecificConfig configVersion autoExpand vmVnicNetworkResourcePoolKey "
        "uplink transportZoneUuid transportZoneName logicalSwitchUuid segmentId"
    ),
    "VMwareDVSConfigInfo": (
        "uuid name numStandalonePorts numPorts maxPorts uplinkPortPolicy uplinkPortgroup "
        "defaultPortConfig host productInfo targetInfo extensionKey vendorSpecificConfig policy "
        "description configVersion contact switchIpAddress createTime networkResourceManagementEnabled "
        "defaultProxySwitchMaxNumPorts healthCheckConfig infrastructureTrafficResourceConfig "
        "netResourcePoolTrafficResourceConfig networkResourceControlVersion vmVnicNetworkResourcePool "
        "pnicCapacityRatioForReservation vspanSession pvlanConfig maxMtu linkDiscoveryProtocolConfig "
        "ipfixConfig lacpGroupConfig lacpApiVersion multicastFilteringMode networkOffloadSpecId "
        "networkOffloadConfig realTimeConfig"
    ),
    "DVSSummary": (
        "name uuid numPorts productInfo hostMember vm host portgroupName description contact numHosts"
    ),
    "DVSRuntimeInfo": ("hostMemberRuntime resourceRuntimeInfo"),
    "NetworkSummary": ("network name accessible ipPoolName ipPoolId"),
    "ClusterComputeResourceSummary": (
        "totalCpu totalMemory numCpuCores numCpuThreads effectiveCpu effectiveMemory numHosts "
        "numEffectiveHosts overallStatus currentFailoverLevel admissionControlInfo numVmotions "
        "targetBalance currentBalance drsScore numVmsPerDrsScoreBucket usageSummary currentEVCModeKey "
        "currentEVCGraphicsModeKey dasData clusterMaintenanceModeStatus vcsHealthStatus vcsSlots"
    ),
    "ComputeResourceSummary": (
        "totalCpu totalMemory numCpuCores numCpuThreads effectiveCpu effectiveMemory numHosts "
        "numEffectiveHosts overallStatus"
    ),
    "DatastoreSummary": (
        "datastore name url capacity freeSpace uncommitted accessible multipleHostAccess type maintenanceMode"
    ),
    "ResourcePoolRuntimeInfo": ("memory cpu overallStatus sharesScalable"),
    "TaskInfo": (
        "key task description name descriptionId entity entityName locked state cancelled cancelable "
        "error result progress progressDetails reason queueTime startTime completeTime eventChainId "
        "changeTag parentTaskKey rootTaskKey activationId"
    ),
    "ServiceContent": (
        "rootFolder propertyCollector viewManager about setting userDirectory sessionManager "
        "authorizationManager serviceManager perfManager scheduledTaskManager alarmManager eventManager "
        "taskManager extensionManager customizationSpecManager guestCustomizationManager "
        "customFieldsManager accountManager diagnosticManager licenseManager searchIndex fileManager "
        "datastoreNamespaceManager virtualDiskManager virtualizationManager snmpSystem "
        "vmProvisioningChecker vmCompatibilityChecker ovfManager ipPoolManager dvSwitchManager "
        "hostProfileManager clusterProfileManager complianceManager localizationManager "
        "storageResourceManager guestOperationsManager overheadMemoryManager certificateManager "
        "ioFilterManager vStorageObjectManager hostSpecManager cryptoManager healthUpdateManager "
        "failoverClusterConfigurator failoverClusterManager tenantManager siteInfoManager "
        "storageQueryManager"
    ),
    "AboutInfo": (
        "name fullName vendor version patchLevel build localeVersion localeBuild osType productLineId "
        "apiType apiVersion instanceUuid licenseProductName licenseProductVersion"
    ),
    "ResourcePoolSummary": ("name config runtime quickStats configuredMemoryMB"),
    "UserSession": (
        "key userName fullName loginTime lastActiveTime locale messageLocale extensionSession ipAddress "
        "userAgent callCount"
    ),
}

PROPERTY_NAMES: dict[str, frozenset[str]] = {type_: frozenset(text.split()) for type_, text in _NAMES.items()}
"""By wire name of a managed object's or data object's type: the properties it has."""
